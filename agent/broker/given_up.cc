#include "agent/broker/given_up.h"

#include <sys/epoll.h>

#include <utility>

namespace specula::agent {

GivenUp::~GivenUp() {
  for (const auto& [fd, child] : children_) loop_->Unwatch(fd);
}

void GivenUp::Take(std::unique_ptr<Spawning> child) {
  if (child == nullptr || child->Abandon()) return;
  const int fd = child->report_fd();
  children_[fd] = std::move(child);
  loop_->Watch(fd, EPOLLIN, [this, fd](uint32_t) {
    if (!children_.at(fd)->Abandon()) return;
    loop_->Unwatch(fd);
    children_.erase(fd);
  });
}

}  // namespace specula::agent
