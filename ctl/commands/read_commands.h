#ifndef SPECULA_CTL_COMMANDS_READ_COMMANDS_H_
#define SPECULA_CTL_COMMANDS_READ_COMMANDS_H_

#include "ctl/commands/read.h"
#include "specula/v1/specula.pb.h"

// What the commands that only read ask and show, for the command line and the
// console.
namespace specula::ctl {

// Health has no content: that it came is all there is to know.
struct Healthy {};

ReadCommand<Healthy> ListCommand();
ReadCommand<Healthy> PingCommand();
ReadCommand<v1::StatusResponse> StatusCommand();
ReadCommand<v1::CpuResponse> CpuCommand(bool cores);
ReadCommand<v1::MemResponse> MemCommand();
ReadCommand<v1::DiskResponse> DiskCommand(bool io);
ReadCommand<v1::ProcessesResponse> PsCommand(v1::ProcessesRequest request);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_COMMANDS_READ_COMMANDS_H_
