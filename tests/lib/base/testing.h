#ifndef SPECULA_TESTS_LIB_BASE_TESTING_H_
#define SPECULA_TESTS_LIB_BASE_TESTING_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

// What tests of all rooms share.
namespace specula::testing {

// A directory of its own that is removed with all it holds.
class TempDirectory {
 public:
  TempDirectory() {
    path_ = absl::StrCat(::testing::TempDir(), "/specula.XXXXXX");
    if (mkdtemp(path_.data()) == nullptr) abort();
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string Path(absl::string_view name) const {
    return absl::StrCat(path_, "/", name);
  }

  // Writes a file, in place if it is there, and the directories above it.
  std::string Write(absl::string_view name, absl::string_view content) const {
    const std::string path = Path(name);
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

 private:
  std::string path_;
};

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// EXPECT_THAT(F(), IsOk()), for Status and StatusOr.
MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).ok();
}

// The code, and a part of the message.
MATCHER_P2(StatusIs, code, part,
           absl::StrCat("is ", absl::StatusCodeToString(code), " with '", part,
                        "' in its message")) {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).code() == code &&
         absl::StrContains(StatusOf(arg).message(), part);
}

}  // namespace specula::testing

#endif  // SPECULA_TESTS_LIB_BASE_TESTING_H_
