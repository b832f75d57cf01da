#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/proc/parse.h"
#include "gtest/gtest.h"

namespace specula::agent {
namespace {

using Hides = ProcMount::Hides;

TEST(ParseProcMountTest, OptionsSayWhatIsHidden) {
  const struct {
    absl::string_view options;
    Hides hides;
    std::optional<int64_t> group;
    bool only_processes;
  } kCases[] = {
      {"rw", Hides::kNothing, {}, false},
      {"rw,hidepid=0", Hides::kNothing, {}, false},
      {"rw,hidepid=off", Hides::kNothing, {}, false},
      {"rw,hidepid=1", Hides::kProcesses, {}, false},
      {"rw,hidepid=noaccess", Hides::kProcesses, {}, false},
      {"rw,hidepid=2", Hides::kProcesses, {}, false},
      {"rw,gid=26,hidepid=invisible", Hides::kProcesses, 26, false},
      {"rw,hidepid=2,gid=x", Hides::kProcesses, {}, false},
      {"rw,hidepid=4", Hides::kAllButTraceable, {}, false},
      {"rw,hidepid=ptraceable,subset=pid", Hides::kAllButTraceable, {}, true},
      {"rw,subset=pid", Hides::kNothing, {}, true},
      {"", Hides::kNothing, {}, false},
  };
  for (const auto& test : kCases) {
    const ProcMount mount = ParseProcMount(
        absl::StrCat("20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                     "24 20 0:22 / /proc rw,nosuid shared:13 - proc proc ",
                     test.options, "\n"),
        "/proc");
    EXPECT_EQ(mount.hides, test.hides) << test.options;
    EXPECT_EQ(mount.group, test.group) << test.options;
    EXPECT_EQ(mount.only_processes, test.only_processes) << test.options;
  }
}

TEST(ParseProcMountTest, OfThePathTheLastMountCounts) {
  constexpr absl::string_view kHidden = " rw - proc proc rw,hidepid=2\n";
  constexpr absl::string_view kOpen = " rw - proc proc rw\n";
  auto hides = [](absl::string_view mountinfo) {
    return ParseProcMount(mountinfo, "/host/proc").hides != Hides::kNothing;
  };
  EXPECT_TRUE(hides(absl::StrCat("1 0 0:4 / /host/proc", kHidden)));
  EXPECT_FALSE(hides(absl::StrCat("1 0 0:4 / /proc", kHidden)));
  EXPECT_FALSE(hides(absl::StrCat("1 0 0:4 / /host/proc", kHidden,
                                  "2 1 0:5 / /host/proc", kOpen)));
  EXPECT_TRUE(hides(absl::StrCat("1 0 0:4 / /host/proc", kOpen,
                                 "2 1 0:5 / /host/proc", kHidden)));
  EXPECT_FALSE(hides("1 0 0:4 / /host/proc rw - tmpfs none rw,hidepid=2\n"));
  for (absl::string_view text :
       {"", "\n", "1 0 0:4 / /host/proc", "1 0 0:4 / /host/proc rw hidepid=2\n",
        "1 0 0:4 / /host/proc rw - proc\n", "hidepid=2"}) {
    EXPECT_FALSE(hides(text)) << text;
  }
}

}  // namespace
}  // namespace specula::agent
