#ifndef SPECULA_SHIM_TRANSLATE_STREAM_H_
#define SPECULA_SHIM_TRANSLATE_STREAM_H_

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "clients/cpp/channel.h"
#include "clients/cpp/stream_call.h"
#include "shim/translate.h"

// The streams of translate.h. Each keeps itself, and the loop, going until its
// `ended`.
namespace specula::shim {

// At an agent one connection has room for 128.
inline constexpr int kMostAgentStreams = 120;

// Runs a line by /bin/sh -c, both outputs in one.
std::shared_ptr<AgentStream> BeginExec(boost::asio::io_context& loop,
                                       std::shared_ptr<grpc::Channel> channel,
                                       const Endpoint& agent,
                                       const std::string& line,
                                       const StreamOptions& options,
                                       StreamEvents events);

// The last 10 lines of a file, then what is appended.
std::shared_ptr<AgentStream> BeginTail(boost::asio::io_context& loop,
                                       std::shared_ptr<grpc::Channel> channel,
                                       const std::string& path,
                                       const StreamOptions& options,
                                       StreamEvents events);

// One that ends at once.
std::shared_ptr<AgentStream> RefuseStream(boost::asio::io_context& loop,
                                          Error why, StreamEvents events);

}  // namespace specula::shim

#endif  // SPECULA_SHIM_TRANSLATE_STREAM_H_
