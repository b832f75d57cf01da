#ifndef SPECULA_AGENT_FRONT_BROKER_LINK_H_
#define SPECULA_AGENT_FRONT_BROKER_LINK_H_

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/status/status.h"
#include "agent/broker/client.h"
#include "agent/front/event_loop.h"

namespace specula::agent {

// The front's way to the broker, on the loop: waits for the channel and lets
// its client work. Loop thread only, but for the constructor and the
// destructor, which needs the loop to have stopped.
class BrokerLink {
 public:
  // `lost` runs on the loop when the broker is gone: nothing can be run, killed
  // or opened any more.
  BrokerLink(EventLoop& loop, UniqueFd channel,
             std::function<void(absl::Status)> lost);
  ~BrokerLink();

  // Asks something: ask(BrokerClient&), and sends it on its way.
  template <typename Ask>
  void With(Ask ask) {
    ask(client_);
    WaitWritable();
  }

 private:
  void WaitReadable();
  void WaitWritable();

  BrokerClient client_;
  boost::asio::posix::stream_descriptor descriptor_;  // borrows the client's
  bool waits_writable_ = false;
  bool lost_ = false;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_BROKER_LINK_H_
