#ifndef SPECULA_LIB_BASE_SECRET_FILE_H_
#define SPECULA_LIB_BASE_SECRET_FILE_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace specula {

// Who will read a file later.
struct FileReader {
  std::string name;  // for messages
  uid_t user = 0;
  std::vector<gid_t> groups;  // all that he is in
};

// As ReadSecretFile of lib/base/file.h, but judged as by `reader`, if there is
// one, in the place of this process: PERMISSION_DENIED also if he could not
// read the file by its owner and mode. The directories above are not looked at.
absl::StatusOr<std::string> ReadSecretFileFor(
    const std::optional<FileReader>& reader, const std::string& path,
    size_t max_bytes = 1 << 20);

}  // namespace specula

#endif  // SPECULA_LIB_BASE_SECRET_FILE_H_
