#include "agent/front/broker_link.h"

namespace specula::agent {

using Descriptor = boost::asio::posix::stream_descriptor;

BrokerLink::BrokerLink(EventLoop& loop, UniqueFd channel,
                       std::function<void(absl::Status)> lost)
    : client_(std::move(channel),
              [this, lost = std::move(lost)](absl::Status why) {
                lost_ = true;
                lost(std::move(why));
              }),
      descriptor_(loop.context(), client_.fd()) {
  loop.Post([this] { WaitReadable(); });
}

BrokerLink::~BrokerLink() {
  [[maybe_unused]] int fd = descriptor_.release();  // the client closes it
}

void BrokerLink::WaitReadable() {
  descriptor_.async_wait(Descriptor::wait_read,
                         [this](const boost::system::error_code& error) {
                           if (error || lost_) return;
                           client_.OnReadable();
                           WaitWritable();
                           if (!lost_) WaitReadable();
                         });
}

void BrokerLink::WaitWritable() {
  if (lost_ || waits_writable_ || !client_.wants_write()) return;
  waits_writable_ = true;
  descriptor_.async_wait(Descriptor::wait_write,
                         [this](const boost::system::error_code& error) {
                           waits_writable_ = false;
                           if (error || lost_) return;
                           client_.OnWritable();
                           WaitWritable();
                         });
}

}  // namespace specula::agent
