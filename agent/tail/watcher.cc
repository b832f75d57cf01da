#include "agent/tail/watcher.h"

#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/tail/file_kind.h"
#include "agent/tail/path_trace.h"

namespace specula::agent {
namespace {

constexpr uint32_t kNameEvents =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr uint32_t kSelfEvents = IN_DELETE_SELF | IN_MOVE_SELF;
constexpr uint32_t kDirectoryMask = kNameEvents | kSelfEvents | IN_ONLYDIR;
constexpr uint32_t kFileMask =
    IN_MODIFY | IN_ATTRIB | kSelfEvents | IN_DONT_FOLLOW;

// How often the way is followed anew when it changes under our hands.
constexpr int kMaxTraces = 4;

absl::Status WatchError(absl::string_view what) {
  const absl::Status status = absl::ErrnoToStatus(errno, what);
  // ENOSPC: max_user_watches; EMFILE: max_user_instances or descriptors.
  if (errno == ENOSPC || errno == EMFILE || errno == ENFILE ||
      errno == ENOMEM) {
    return absl::ResourceExhaustedError(status.message());
  }
  return status;
}

}  // namespace

Watcher::Watcher() : inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (!inotify_.valid()) no_inotify_ = WatchError("inotify_init1");
}

Watcher::Id Watcher::Add(std::string path) {
  absl::MutexLock lock(&mutex_);
  const Id id = next_id_++;
  subscribers_[id].path = std::move(path);
  return id;
}

void Watcher::Remove(Id id) {
  std::vector<Place> places;
  {
    absl::MutexLock lock(&mutex_);
    auto subscriber = subscribers_.find(id);
    if (subscriber == subscribers_.end()) return;
    places = std::move(subscriber->second.places);
    subscribers_.erase(subscriber);
  }
  Vacate(id, places);
}

absl::Status Watcher::Arm(Id id) {
  if (!inotify_.valid()) return no_inotify_;
  std::string path;
  {
    absl::MutexLock lock(&mutex_);
    auto found = subscribers_.find(id);
    if (found == subscribers_.end())
      return absl::NotFoundError("no such subscriber");
    path = found->second.path;
  }
  PathTrace trace = TracePath(path);
  absl::Status status;
  std::vector<Place> places;
  for (int i = 0; i < kMaxTraces; ++i) {
    status = trace.status;
    for (const Hop& hop : trace.hops) {
      status.Update(
          Occupy(id, hop.directory, kDirectoryMask, hop.name, places));
      status.Update(CheckAnnounced(hop.directory));
    }
    if (!trace.target.empty()) {
      absl::Status file = Occupy(id, trace.target, kFileMask, "", places);
      if (absl::IsPermissionDenied(file) && !trace.hops.empty()) {
        // Who may not read the file may still watch it through its directory.
        const Hop& last = trace.hops.back();
        file = Occupy(id, last.directory, kDirectoryMask | IN_MODIFY, last.name,
                      places);
      }
      status.Update(file);
      status.Update(CheckAnnounced(trace.target));
    }
    // What changed before the watches were there was not told.
    PathTrace again = TracePath(path);
    if (again == trace) break;
    trace = std::move(again);
  }
  std::vector<Place> before;
  {
    absl::MutexLock lock(&mutex_);
    std::vector<Place>& current = subscribers_[id].places;
    before = std::exchange(current, places);
    std::erase_if(before, [&](const Place& place) {
      // A file that lost the name is watched on as long as no other has it.
      const bool keep = place.name.empty() && trace.target.empty();
      if (keep) current.push_back(place);
      return keep ||
             std::find(places.begin(), places.end(), place) != places.end();
    });
  }
  Vacate(id, before);
  return status;
}

// The watch may be given up by another between its coming and our taking note.
// So it is asked for until it is the one that is noted: then it lives, because
// a watch that is noted is not given up.
absl::Status Watcher::Occupy(Id id, const std::string& path, uint32_t mask,
                             absl::string_view name,
                             std::vector<Place>& places) {
  int noted = -1;
  while (true) {
    // IN_MASK_ADD: the same directory may be watched for more by another.
    const int watch =
        inotify_add_watch(inotify_.get(), path.c_str(), mask | IN_MASK_ADD);
    const int error = errno;
    if (watch == noted && watch >= 0) break;
    absl::MutexLock lock(&mutex_);
    std::vector<int> unused;  // it is gone from the kernel
    if (noted >= 0) Forget(id, {noted, std::string(name)}, unused);
    if (watch < 0) {
      // Gone since it was seen: the caller will see that, too.
      if (error == ENOENT || error == ENOTDIR) return absl::OkStatus();
      errno = error;
      return WatchError(absl::StrCat("inotify_add_watch(", path, ")"));
    }
    watches_[watch][name].insert(id);
    while (dying_.contains(watch)) died_.Wait(&mutex_);
    noted = watch;
  }
  Place place{noted, std::string(name)};
  if (std::find(places.begin(), places.end(), place) == places.end()) {
    places.push_back(std::move(place));
  }
  return absl::OkStatus();
}

void Watcher::Forget(Id id, const Place& place, std::vector<int>& unused) {
  auto watch = watches_.find(place.watch);
  if (watch == watches_.end()) return;  // the kernel ended it
  auto ids = watch->second.find(place.name);
  if (ids == watch->second.end()) return;
  ids->second.erase(id);
  if (ids->second.empty()) watch->second.erase(ids);
  if (!watch->second.empty()) return;
  unused.push_back(place.watch);
  watches_.erase(watch);
}

void Watcher::Vacate(Id id, const std::vector<Place>& places) {
  std::vector<int> unused;
  {
    absl::MutexLock lock(&mutex_);
    for (const Place& place : places) Forget(id, place, unused);
    dying_.insert(unused.begin(), unused.end());
  }
  if (unused.empty()) return;
  for (const int watch : unused) inotify_rm_watch(inotify_.get(), watch);
  absl::MutexLock lock(&mutex_);
  for (const int watch : unused) dying_.erase(watch);
  died_.SignalAll();
}

Watcher::Wakes Watcher::Dispatch() {
  Wakes result;
  Woken woken;
  absl::MutexLock lock(&mutex_);
  alignas(inotify_event) char buffer[64 << 10];
  while (true) {
    const ssize_t got = read(inotify_.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    for (ssize_t at = 0; at < got;) {
      const auto& event = *reinterpret_cast<inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        result.overflow = true;
      } else {
        Take(event, woken);
      }
    }
  }
  if (result.overflow) {
    for (const auto& [id, unused] : subscribers_) woken[id] = true;
  }
  result.wakes.reserve(woken.size());
  for (const auto& [id, name_changed] : woken) {
    result.wakes.push_back({id, name_changed});
  }
  return result;
}

void Watcher::Take(const inotify_event& event, Woken& woken) {
  auto watch = watches_.find(event.wd);
  if (watch == watches_.end()) return;  // given up since
  const bool name_changed = (event.mask & ~IN_MODIFY) != 0;
  auto wake = [&](const Ids& ids) {
    for (const Id id : ids) woken[id] |= name_changed;
  };
  if (event.len > 0) {  // something in a directory
    auto ids = watch->second.find(absl::string_view(event.name));
    if (ids != watch->second.end()) wake(ids->second);
    return;
  }
  // The file, or the directory itself was moved, deleted or unmounted.
  for (const auto& [name, ids] : watch->second) wake(ids);
  if ((event.mask & IN_IGNORED) != 0) watches_.erase(watch);
}

}  // namespace specula::agent
