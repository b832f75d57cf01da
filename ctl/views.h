#ifndef SPECULA_CTL_VIEWS_H_
#define SPECULA_CTL_VIEWS_H_

#include <string>
#include <vector>

#include "ctl/fan_out.h"
#include "specula/v1/specula.pb.h"

// What the reading commands print: results in, text out. Pure. A host without a
// result has its row, with what is wrong in the place of the numbers; "-"
// stands for a value that was not measured, and "~" follows one that is
// estimated because what the kernel says cannot be.
namespace specula::ctl {

template <typename Response>
using Results = std::vector<HostResult<Response>>;

// How wide the text may be; SIZE_MAX where it does not go to a terminal.
struct ViewOptions {
  size_t max_width = SIZE_MAX;
};

// DISK% says READ-ONLY where a file system turned read-only, and ends with a ?
// where one does not answer.
// Below the table stands what keeps agents from seeing their hosts as a whole.
std::string ViewStatus(const std::vector<Target>& targets,
                       const Results<v1::StatusResponse>& results,
                       const ViewOptions& options);

// With `cores` one more row for each core.
std::string ViewCpu(const std::vector<Target>& targets,
                    const Results<v1::CpuResponse>& results, bool cores,
                    const ViewOptions& options);

std::string ViewMem(const std::vector<Target>& targets,
                    const Results<v1::MemResponse>& results,
                    const ViewOptions& options);

// With `io` the rows are the block devices instead of the file systems.
std::string ViewDisk(const std::vector<Target>& targets,
                     const Results<v1::DiskResponse>& results, bool io,
                     const ViewOptions& options);

std::string ViewProcesses(const std::vector<Target>& targets,
                          const Results<v1::ProcessesResponse>& results,
                          const ViewOptions& options);

// "refused: the server's certificate …".
std::string EndingText(const Ending& ending);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_VIEWS_H_
