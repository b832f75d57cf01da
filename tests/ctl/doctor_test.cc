#include "ctl/doctor.h"

#include <google/protobuf/text_format.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const absl::Time kNow = absl::FromUnixSeconds(1'000'000'000);

struct Fleet {
  std::vector<Target> targets;
  Results<CheckUp> results;

  // A host that is like the others but for `changes` in text format.
  Fleet& Add(const std::string& changes = "") {
    Target target;
    target.endpoint.address = {absl::StrCat("vm", targets.size() + 1), 60120};
    targets.push_back(std::move(target));
    HostResult<CheckUp> result;
    v1::Agent& agent = *result.response.status.mutable_agent();
    agent.set_version("1.0");
    agent.set_ceiling_hash("aaaa");
    agent.set_configuration_hash("bbbb");
    agent.set_supervision("cgroup");
    agent.mutable_certificate_expire_time()->set_seconds(
        absl::ToUnixSeconds(kNow + absl::Hours(24 * 90 + 1)));
    agent.set_state_available_bytes(int64_t{10} << 30);
    result.response.status.mutable_time()->set_seconds(
        absl::ToUnixSeconds(kNow));
    result.response.asked = kNow - absl::Seconds(1);
    result.response.answered = kNow + absl::Seconds(1);
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(
        changes, &result.response.status));
    results.push_back(std::move(result));
    return *this;
  }
  Fleet& Failed(Outcome outcome, const std::string& reason) {
    Add();
    results.back() = {};
    results.back().ending = {outcome, reason};
    return *this;
  }
  std::vector<std::string> FindingsOf(size_t host) const {
    return Diagnose(results, kNow)[host].findings;
  }
};

TEST(DoctorTest, AFleetOfEqualsIsWell) {
  Fleet fleet;
  fleet.Add().Add().Add();
  for (size_t i = 0; i < 3; ++i) EXPECT_THAT(fleet.FindingsOf(i), IsEmpty());
}

TEST(DoctorTest, WhatAnAgentCannotReadIsAFinding) {
  Fleet fleet;
  fleet
      .Add(
          "agent { problems: 'cannot read /proc/meminfo: gone' problems: 'x' }")
      .Add();
  EXPECT_THAT(fleet.FindingsOf(0),
              ElementsAre("cannot read /proc/meminfo: gone", "x"));
  EXPECT_THAT(fleet.FindingsOf(1), IsEmpty());
}

TEST(DoctorTest, WhoIsNotLikeMostIsNamedWithWhatMostHave) {
  Fleet fleet;
  fleet.Add("agent { version: '0.9' }")
      .Add(
          "agent { ceiling_hash: 'cccc' "
          "configuration_hash: 'dddd' }")
      .Add("agent { configuration_hash: 'eeee' }")
      .Add("agent { supervision: 'session' }")
      .Add("agent { supervision: '' }")
      .Add()
      .Add();
  EXPECT_THAT(fleet.FindingsOf(0), ElementsAre("version 0.9, most have 1.0"));
  EXPECT_THAT(fleet.FindingsOf(1), ElementsAre("ceiling cccc, most have aaaa"));
  EXPECT_THAT(fleet.FindingsOf(2),
              ElementsAre("configuration eeee, most have bbbb"));
  EXPECT_THAT(fleet.FindingsOf(3),
              ElementsAre("trees owned by session, most have cgroup"));
  EXPECT_THAT(fleet.FindingsOf(4),
              ElementsAre("trees owned by unknown, most have cgroup"));
  EXPECT_THAT(fleet.FindingsOf(5), IsEmpty());
}

TEST(DoctorTest, OfTwoEquallyFrequentTheFirstIsUsual) {
  Fleet fleet;
  fleet.Add("agent { version: '2' }").Add();
  EXPECT_THAT(fleet.FindingsOf(0), IsEmpty());
  EXPECT_THAT(fleet.FindingsOf(1), ElementsAre("version 1.0, most have 2"));
}

TEST(DoctorTest, CertificatesAreSpokenOfThirtyDaysBeforeTheirEnd) {
  const auto with = [](absl::Duration left) {
    return Fleet()
        .Add(absl::StrCat("agent { certificate_expire_time { seconds: ",
                          absl::ToUnixSeconds(kNow + left), " } }"))
        .FindingsOf(0);
  };
  EXPECT_THAT(with(absl::Hours(24 * 30)), IsEmpty());
  EXPECT_THAT(with(absl::Hours(24 * 30) - absl::Seconds(1)),
              ElementsAre(StartsWith("certificate ends in 29 d")));
  EXPECT_THAT(with(absl::Hours(1)),
              ElementsAre(StartsWith("certificate ends in 0 d")));
  EXPECT_THAT(with(absl::ZeroDuration()),
              ElementsAre("certificate has expired"));
}

TEST(DoctorTest, AClockIsWrongOnlyAsFarAsTheAnswerProves) {
  const auto skew = [](absl::Duration off) {
    return ClockSkew(
        Fleet()
            .Add(absl::StrCat(
                "time { seconds: ", absl::ToUnixSeconds(kNow + off), " }"))
            .results[0]
            .response);
  };
  EXPECT_EQ(skew(absl::ZeroDuration()), absl::ZeroDuration());
  EXPECT_EQ(skew(absl::Seconds(1)), absl::ZeroDuration());
  EXPECT_EQ(skew(-absl::Seconds(1)), absl::ZeroDuration());
  EXPECT_EQ(skew(absl::Seconds(4)), absl::Seconds(3));
  EXPECT_EQ(skew(-absl::Hours(24)), -absl::Hours(24) + absl::Seconds(1));
  Fleet fleet;
  fleet.Add(absl::StrCat(
      "time { seconds: ", absl::ToUnixSeconds(kNow + absl::Hours(24)), " }"));
  EXPECT_THAT(fleet.FindingsOf(0), ElementsAre("clock is off by +23h59m"));
}

TEST(DoctorTest, FilesThatAreNotInUseAndDisksThatAreFullNeedAHand) {
  Fleet fleet;
  fleet.Add("agent { reload_error: 'agent.crt: no certificate' }")
      .Add("agent { state_available_bytes: 1048576 }");
  EXPECT_THAT(
      fleet.FindingsOf(0),
      ElementsAre("new TLS files not in use: agent.crt: no certificate"));
  EXPECT_THAT(fleet.FindingsOf(1),
              ElementsAre("only 1.0MiB free for audit and logs"));
}

TEST(DoctorTest, FileSystemsThatTurnedReadOnlyStallOrAreFullNeedAHand) {
  const struct {
    const char* what;
    const char* row;
    const char* finding;  // empty: none
  } kCases[] = {
      {"as it should be",
       "mount_point: '/' utilization: 0.5 quality: QUALITY_OK", ""},
      {"turned read-only",
       "mount_point: '/' read_only: true turned_read_only: true "
       "utilization: 0.5 quality: QUALITY_OK",
       "file system turned read-only: /: the kernel's log says why; check the "
       "disk, fsck"},
      {"read-only by design",
       "mount_point: '/usr' read_only: true utilization: 1 "
       "inodes_total_count: 10 inodes_used_count: 10 quality: QUALITY_OK",
       ""},
      {"stalled", "mount_point: '/nas' quality: QUALITY_STALLED",
       "file system does not answer: /nas"},
      {"not measured", "mount_point: '/x' quality: QUALITY_UNAVAILABLE", ""},
      {"where top warns",
       "mount_point: '/tmp' utilization: 0.899 quality: QUALITY_OK", ""},
      {"where top calls it critical",
       "mount_point: '/tmp' utilization: 0.9 quality: QUALITY_OK",
       "file system 90 % full: /tmp"},
      {"beyond a quota",
       "mount_point: '/q' utilization: 1 quality: QUALITY_CLAMPED",
       "file system 100 % full: /q"},
      {"without inodes",
       "mount_point: '/i' utilization: 0.1 inodes_total_count: 100 "
       "inodes_used_count: 97 quality: QUALITY_OK",
       "97 % of the inodes in use: /i"},
      {"a lie",
       "mount_point: '/i' utilization: 7 inodes_total_count: 1 "
       "inodes_used_count: 97 quality: QUALITY_OK",
       ""},
  };
  for (const auto& test : kCases) {
    Fleet fleet;
    fleet.Add(absl::StrCat("disk { filesystems { ", test.row, " } }"));
    if (*test.finding == '\0') {
      EXPECT_THAT(fleet.FindingsOf(0), IsEmpty()) << test.what;
    } else {
      EXPECT_THAT(fleet.FindingsOf(0), ElementsAre(test.finding)) << test.what;
    }
  }
}

TEST(DoctorTest, WhatTurnedReadOnlyIsTheWorst) {
  Fleet fleet;
  fleet.Add(
      "agent { reload_error: 'x' } disk { "
      "filesystems { mount_point: '/a' utilization: 1 } filesystems "
      "{ mount_point: '/b' read_only: true turned_read_only: true "
      "utilization: 0.95 } }");
  EXPECT_THAT(
      fleet.FindingsOf(0),
      ElementsAre(StartsWith("file system turned read-only: /b: "),
                  "new TLS files not in use: x", "file system 100 % full: /a",
                  "file system 95 % full: /b"));
}

TEST(DoctorTest, OutliersComeFirstAndWhoGaveNoResultBeforeThem) {
  Fleet fleet;
  fleet.Add()
      .Add("agent { version: '0.9' }")
      .Failed(Outcome::kUnreachable, "no route")
      .Add();
  const std::string text = ViewDoctor(fleet.targets, fleet.results,
                                      Diagnose(fleet.results, kNow), kNow);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  ASSERT_EQ(lines.size(), 6U) << text;
  EXPECT_THAT(lines[1], StartsWith("vm3"));
  EXPECT_THAT(lines[1], HasSubstr("unreachable: no route"));
  EXPECT_THAT(lines[2], StartsWith("vm2"));
  EXPECT_THAT(lines[2], HasSubstr("version 0.9, most have 1.0"));
  EXPECT_THAT(lines[3], StartsWith("vm1"));
  EXPECT_THAT(lines[3], HasSubstr("90d"));
  EXPECT_THAT(lines[3], HasSubstr("cgroup"));
}

TEST(DoctorTest, ALyingHostCannotMoveTheCursor) {
  Fleet fleet;
  fleet.Add("agent { version: '\\033[2J' }");
  EXPECT_THAT(ViewDoctor(fleet.targets, fleet.results,
                         Diagnose(fleet.results, kNow), kNow),
              HasSubstr("\\x1b[2J"));
}

}  // namespace
}  // namespace specula::ctl
