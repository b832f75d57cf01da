// Random lists of what programs do to logs, played to a Follower with real
// files and compared to a model that knows which bytes ever were in which file.
//
// SPECULA_TAIL_SEED repeats a run, SPECULA_TAIL_LISTS says how many lists.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/tail/follower.h"
#include "gtest/gtest.h"
#include "tests/agent/tail/bench.h"

namespace specula::agent {
namespace {

using Kind = TailItem::Kind;

// A file and all that was ever written to it.
struct File {
  // From one truncation to the next.
  struct Content {
    std::string bytes;
    bool seen =
        false;  // the follower had a chance to see that there is something
  };
  UniqueFd fd;
  std::vector<Content> contents = std::vector<Content>(1);
};
using FilePtr = std::shared_ptr<File>;

// The time in which the name was seen to stand for a file.
struct Visit {
  FilePtr file;
  size_t first_content = 0;
  size_t start = 0;  // in the first content
  std::optional<absl::Duration> left = std::nullopt;
  bool came_back = false;
  // What must have come of it in the end, once it is known to be over.
  std::optional<std::vector<File::Content>> expected = std::nullopt;
};

class Model : public Opener {
 public:
  Model(uint64_t seed, Sandbox& box) : random_(seed), box_(box) {
    linked_ = Chance(30);
    if (linked_) Retarget("t0");
    const bool wait = Chance(20);
    if (!wait || Chance(50)) Create();
    for (int i = Pick(4); i > 0 && Current() != nullptr; --i) Write(Current());
    lines_ = Pick(5);
    bench_ = std::make_unique<Bench>(
        TailOptions{.path = box_.Path("log"),
                    .lines = lines_,
                    .follow = true,
                    .wait_for_file = wait,
                    // What these cost is tested elsewhere.
                    .limits = {.impatient_files = 1000, .most_files = 1000}},
        this);
    bench_->follower().SetAnnounced(announced_ = Chance(50));
    Steps(1000);
  }

  void Play() {
    for (int i = 5 + Pick(30); i > 0; --i) {
      Act();
      if (testing::Test::HasFatalFailure()) return;
      // Events are told sooner or later, if they are told at all.
      if (announced_ && Chance(60)) bench_->follower().NameMayHaveChanged();
      if (Chance(70)) Steps(Chance(50) ? 1000 : Pick(4));
      if (Chance(20)) Pass(absl::Milliseconds(Pick(2000)));
    }
    if (Current() == nullptr) Create();
    bench_->follower().NameMayHaveChanged();
    Drain(true);
  }

  // What is wrong with what came, "" if nothing.
  std::string Check() {
    if (!bench_->status().ok()) return bench_->status().ToString();
    // What came, cut at the beginnings of files, and within at truncations.
    struct Segment {
      bool appeared = false;
      std::vector<std::string> pieces = {""};
    };
    std::vector<Segment> segments(1);
    bool missing = false;
    bool first = began_waiting_;
    for (const TailItem& item : bench_->TakeItems()) {
      came_ += item.kind == Kind::kData
                   ? absl::StrCat("[", item.data.size(), "]")
                   : ToString(item);
      switch (item.kind) {
        case Kind::kData:
          segments.back().pieces.back() += item.data;
          break;
        case Kind::kTruncated:
          segments.back().pieces.push_back("");
          break;
        case Kind::kRotated:
          segments.push_back({});
          break;
        case Kind::kAppeared:
          if (!missing) return "APPEARED but was not MISSING";
          missing = false;
          // A file that was waited for is the first one.
          if (!first) segments.push_back({.appeared = true});
          break;
        case Kind::kMissing:
          if (missing) return "MISSING twice";
          missing = true;
          break;
        case Kind::kSkipped:
          return "SKIPPED";
        case Kind::kLinesCut:
          return "LINES CUT";
      }
      if (item.kind != Kind::kMissing) first = false;
    }
    if (missing) return "still MISSING";

    // Which segments belong to which visit: several only if the same file came
    // back.
    std::string reason = "too many or too few files";
    std::function<bool(size_t, size_t)> match = [&](size_t s, size_t v) {
      if (s == segments.size() && v == visits_.size()) return true;
      if (s == segments.size() || v == visits_.size()) return false;
      std::vector<std::string> pieces = segments[s].pieces;
      while (true) {
        std::string wrong = CheckVisit(visits_[v], pieces);
        if (wrong.empty() && match(s + 1, v + 1)) return true;
        if (!wrong.empty()) reason = absl::StrCat("file ", v, ": ", wrong);
        if (++s == segments.size() || !segments[s].appeared ||
            !visits_[v].came_back) {
          return false;
        }
        pieces.back() += segments[s].pieces.front();
        pieces.insert(pieces.end(), segments[s].pieces.begin() + 1,
                      segments[s].pieces.end());
      }
    };
    return match(0, 0) ? "" : reason;
  }

  const std::string& came() const { return came_; }
  const std::string& log() const { return log_; }
  size_t visits() const { return visits_.size(); }
  // Files that had the name between two looks and were then out of reach.
  int unreachable() const {
    return static_cast<int>(
        std::count_if(all_.begin(), all_.end(), [&](const FilePtr& file) {
          return std::none_of(visits_.begin(), visits_.end(),
                              [&](const Visit& v) { return v.file == file; });
        }));
  }
  std::map<std::string, int>& actions() { return actions_; }

  // A look of the follower's.
  absl::StatusOr<OpenedFile> Open(const std::string& path) override {
    if (path == box_.Path("log")) Looked();
    return plain_.Open(path);
  }

 private:
  // What the pieces between TRUNCATED may be: starts of what the file held, in
  // order; the last one all that it holds at the end. Nothing that was to be
  // seen may be passed over without TRUNCATED.
  static std::string CheckVisit(const Visit& visit,
                                const std::vector<std::string>& pieces) {
    const std::vector<File::Content>& all = *visit.expected;
    if (pieces.size() > all.size()) return "TRUNCATED without reason";
    std::vector<std::string> known;
    for (size_t i = 0; i < all.size(); ++i) {
      if (i + 1 == all.size() || all[i].seen) known.push_back(all[i].bytes);
    }
    if (known.size() > 1 && pieces.size() == 1) return "TRUNCATED not told";
    if (pieces.back() != known.back()) {
      return absl::StrCat("ends with ", pieces.back().size(),
                          " bytes, not the ", known.back().size(),
                          " written last");
    }
    size_t at = 0;
    for (size_t i = 0; i + 1 < pieces.size(); ++i) {
      if (pieces[i].empty()) continue;
      while (at + 1 < known.size() && !known[at].starts_with(pieces[i])) {
        if (i == 0) return "begins with other bytes than the file";
        ++at;
      }
      if (at + 1 >= known.size()) return "bytes that never were there";
      ++at;
    }
    return "";
  }

  int Pick(int below) { return static_cast<int>(random_() % below); }
  bool Chance(int percent) { return Pick(100) < percent; }

  void Note(const std::string& action) {
    absl::StrAppend(&log_, action, "\n");
    ++actions_[action.substr(0, action.find(' '))];
  }

  // --- the files ---

  std::string RealName() const { return linked_ ? target_ : "log"; }
  FilePtr Current() const {
    auto found = names_.find(RealName());
    return found == names_.end() ? nullptr : found->second;
  }
  void Retarget(const std::string& name) {
    target_ = name;
    box_.Link(name, "log");
  }
  void Create() {
    Note("create");
    ASSERT_EQ(Current(), nullptr);
    auto file = std::make_shared<File>();
    file->fd = box_.Writer(RealName());
    names_[RealName()] = file;
    all_.push_back(file);
    if (Chance(70)) Write(file);
  }
  void Write(const FilePtr& file) {
    // Each byte's place can be told from what it says.
    std::string text = absl::StrCat("<", ++serial_, ":");
    int length = Pick(200);
    if (Chance(3)) length = Pick(600'000);
    for (int i = 0; i < length; ++i) {
      text.push_back(Chance(2) ? '\n' : static_cast<char>('a' + Pick(26)));
    }
    if (Chance(80)) text.push_back('\n');
    Note(absl::StrCat("write ", text.size(), " bytes"));
    ASSERT_EQ(write(file->fd.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
    file->contents.back().bytes += text;
  }
  void Move(const std::string& from, const std::string& to) {
    box_.Rename(from, to);
    names_[to] = names_[from];
    names_.erase(from);
  }
  void Truncate(const FilePtr& file) {
    ASSERT_EQ(ftruncate(file->fd.get(), 0), 0);
    if (!file->contents.back().bytes.empty()) file->contents.emplace_back();
  }

  void Act() {
    const FilePtr current = Current();
    const int action = Pick(100);
    if (action < 30) {
      if (current != nullptr) Write(current);
    } else if (action < 45) {
      for (int times = Chance(30) ? 2 : 1; times > 0; --times) Rotate();
    } else if (action < 52) {
      if (current == nullptr) return;
      Note("dated rename");
      Move(RealName(), absl::StrCat("dated-", ++serial_));
      if (Chance(80)) Create();
    } else if (action < 62) {
      if (current == nullptr) return;
      Note("copytruncate");
      box_.Write(absl::StrCat("copy-", ++serial_),
                 current->contents.back().bytes);
      Truncate(current);
      for (int i = Pick(3); i > 0; --i) Write(current);
    } else if (action < 70) {
      if (current == nullptr) return;
      Note("delete");
      box_.Remove(RealName());
      names_.erase(RealName());
      if (Chance(60)) Create();
    } else if (action < 75) {
      if (current == nullptr) return;
      Note("away and back");
      Move(RealName(), "away");
      if (Chance(50)) Look();
      if (Chance(50)) Pass(absl::Milliseconds(Pick(1000)));
      if (Chance(50)) Write(current);
      Move("away", RealName());
      if (Chance(50)) Look();
    } else if (action < 80) {
      if (current == nullptr) Create();
    } else if (action < 86) {
      if (linked_) Swap();
    } else if (action < 93) {
      WriteLate();
    } else if (action < 97) {
      Note("time");
      Pass(absl::Seconds(Pick(8)));
    } else {
      Note("stalled reader");
      bench_->Pass(absl::Milliseconds(Pick(8000)), 0);
    }
  }

  // log.1 -> log.2, log -> log.1, and a new log, mostly.
  void Rotate() {
    if (Current() == nullptr) return;
    Note("rotate");
    const std::string base = RealName() + ".";
    for (int i = 8; i > 0; --i) {
      if (names_.contains(base + std::to_string(i))) {
        Move(base + std::to_string(i), base + std::to_string(i + 1));
      }
    }
    Move(RealName(), base + "1");
    if (Chance(85)) Create();
  }

  void Swap() {
    if (Chance(30) && !visits_.empty()) {
      // To one that was there before. It comes from its start again.
      Drain(false);
      for (const Visit& visit : visits_) {
        for (const auto& [name, file] : names_) {
          if (file != visit.file || name == target_) continue;
          Note("swap back to " + name);
          return Retarget(name);
        }
      }
    }
    Note("swap");
    Retarget(absl::StrCat("t", ++serial_));
    if (Chance(80)) Create();
  }

  // The daemon still has the old file.
  void WriteLate() {
    for (Visit& visit : visits_) {
      if (visit.expected || !visit.left || Chance(50) ||
          bench_->now() - *visit.left >= absl::Milliseconds(4900)) {
        continue;
      }
      Note("late");
      Write(visit.file);
    }
  }

  // --- the follower ---

  // What the follower can know from now on.
  void See() {
    for (const FilePtr& file : all_) {
      for (const Visit& visit : visits_) {
        if (visit.file == file && !file->contents.back().bytes.empty()) {
          file->contents.back().seen = true;
        }
      }
    }
  }

  void Visited(const FilePtr& file) {
    if (!visits_.empty() && !visits_.back().left) {
      visits_.back().left = bench_->now();
    }
    Visit visit{.file = file, .first_content = file->contents.size() - 1};
    if (visits_.empty() && !waited_) {
      const std::string& text = file->contents.back().bytes;
      visit.start = text.size();
      for (int64_t left = lines_; visit.start > 0 && lines_ > 0;
           --visit.start) {
        if (text[visit.start - 1] == '\n' && visit.start != text.size() &&
            --left == 0) {
          break;
        }
      }
    }
    visits_.push_back(visit);
    See();
  }

  bool IsBornAfter(const FilePtr& later, const FilePtr& earlier) const {
    return std::find(all_.begin(), all_.end(), later) >
           std::find(all_.begin(), all_.end(), earlier);
  }

  void Looked() {
    const FilePtr now = Current();
    Note(absl::StrCat(
        "look: ",
        now == nullptr
            ? "nothing"
            : absl::StrCat(now->contents.size(), ". of ",
                           now->contents.back().bytes.size(), " bytes")));
    if (now == nullptr) {
      began_waiting_ |= visits_.empty();
      waited_ = true;
      if (!visits_.empty() && !visits_.back().left) {
        visits_.back().left = bench_->now();
      }
      return;
    }
    if (visits_.empty()) return Visited(now);
    Visit& newest = visits_.back();
    if (newest.file == now) {
      if (newest.left) newest.came_back = true;
      newest.left.reset();
      return;
    }
    // A chain of numbers leads from the newest that is known to the name.
    const std::string base = RealName() + ".";
    for (int depth = 9; depth > 1; --depth) {
      auto place = names_.find(base + std::to_string(depth));
      if (place == names_.end() || place->second != newest.file) continue;
      // Only what was born in between is believed to have had the name: a link
      // that was swapped back brings older files into the chain.
      FilePtr before = newest.file;
      for (int i = depth - 1; i > 0; --i) {
        auto missed = names_.find(base + std::to_string(i));
        if (missed == names_.end() || !IsBornAfter(missed->second, before) ||
            !IsBornAfter(now, missed->second)) {
          continue;
        }
        before = missed->second;
        Visited(before);
      }
      break;
    }
    Visited(now);
  }

  void Look() {
    bench_->follower().NameMayHaveChanged();
    Steps(1000);
  }
  void Steps(int count) {
    const size_t room = Chance(50) ? 1 << 20 : 1 + Pick(1000);
    for (; count > 0; --count) {
      See();
      if (!bench_->Step(room) || bench_->wake_time() > bench_->now()) break;
    }
  }
  void Pass(absl::Duration time) {
    See();
    bench_->Pass(time);
    See();
  }
  // After this all visits but the last are over, at the very end that too.
  void Drain(bool at_end) {
    Note("drain");
    bench_->follower().NameMayHaveChanged();
    Pass(absl::Seconds(20));
    for (Visit& visit : visits_) {
      const bool last = &visit == &visits_.back();
      if (visit.expected || (last && !at_end)) continue;
      visit.expected.emplace(visit.file->contents.begin() +
                                 static_cast<ptrdiff_t>(visit.first_content),
                             visit.file->contents.end());
      visit.expected->front().bytes.erase(0, visit.start);
    }
  }

  std::mt19937_64 random_;
  Sandbox& box_;
  PlainOpener plain_;
  std::unique_ptr<Bench> bench_;
  int64_t lines_ = 0;
  bool announced_ = false;

  bool linked_ = false;
  std::string target_;
  std::map<std::string, FilePtr> names_;
  std::vector<FilePtr> all_;
  int serial_ = 100'000;

  std::vector<Visit> visits_;
  bool waited_ = false;
  bool began_waiting_ = false;
  std::string came_;
  std::string log_;
  std::map<std::string, int> actions_;
};

uint64_t Number(const char* name, uint64_t otherwise) {
  const char* text = getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(FollowerModelTest, NothingIsLostOrInventedAndTruncationIsTold) {
  const uint64_t seed =
      Number("SPECULA_TAIL_SEED", std::random_device{}() % 1'000'000'000);
  const uint64_t lists = Number("SPECULA_TAIL_LISTS", 1500);
  std::cout << "SPECULA_TAIL_SEED=" << seed << std::endl;
  size_t files = 0;
  int unreachable = 0;
  std::map<std::string, int> actions;
  for (uint64_t i = 0; i < lists; ++i) {
    Sandbox box;
    Model model(seed * 1'000'003 + i, box);
    model.Play();
    ASSERT_FALSE(HasFatalFailure()) << "list " << i;
    const std::string wrong = model.Check();
    ASSERT_EQ(wrong, "") << "SPECULA_TAIL_SEED=" << seed << ", list " << i
                         << "\n"
                         << model.log() << "came: " << model.came();
    files += model.visits();
    unreachable += model.unreachable();
    for (const auto& [action, count] : model.actions()) {
      actions[action] += count;
    }
  }
  std::cout << lists << " lists, " << files << " files followed, "
            << unreachable << " out of reach;";
  for (const auto& [action, count] : actions) {
    std::cout << " " << action << " " << count;
  }
  std::cout << std::endl;
}

}  // namespace
}  // namespace specula::agent
