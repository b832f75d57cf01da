#include "agent/border/places.h"

namespace specula::agent {

Places::Free Places::Look(const std::string& source) const {
  absl::ReaderMutexLock lock(&mutex_);
  if (taken_ >= limits_.all) return Free::kNoneAtAll;
  auto found = by_source_.find(source);
  return found != by_source_.end() && found->second >= limits_.per_source
             ? Free::kNoneForSource
             : Free::kYes;
}

Places::Place::Place(std::shared_ptr<Places> places, std::string source)
    : places_(std::move(places)), source_(std::move(source)) {
  absl::MutexLock lock(&places_->mutex_);
  ++places_->taken_;
  ++places_->by_source_[source_];
}

Places::Place::~Place() {
  absl::MutexLock lock(&places_->mutex_);
  --places_->taken_;
  auto found = places_->by_source_.find(source_);
  if (--found->second == 0) places_->by_source_.erase(found);
}

}  // namespace specula::agent
