// How an Exec's end becomes a word, an exit code and a reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "clients/cpp/outcome.h"

namespace specula {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Endpoint kVm1{{"vm1", 60120}, ""};

v1::ExecExited Code(int code) {
  v1::ExecExited exited;
  exited.set_code(code);
  exited.set_drained(true);
  return exited;
}

CommandEnding Of(const v1::ExecExited& exited) {
  return ClassifyCommand(&exited, absl::OkStatus(), true, kVm1);
}

TEST(CommandEndingTest, EveryCodeIsTheOwnOne) {
  for (int code = 0; code < 256; ++code) {
    const CommandEnding ending = Of(Code(code));
    EXPECT_EQ(ending.exit_code, code);
    EXPECT_EQ(OutcomeWord(ending),
              code == 0 ? "ok" : absl::StrCat("exit ", code));
    EXPECT_THAT(ending.reason, IsEmpty());
    EXPECT_THAT(ending.notes, IsEmpty());
  }
}

TEST(CommandEndingTest, EverySignalIs128More) {
  for (int signal = 1; signal <= 64; ++signal) {
    v1::ExecExited exited;
    exited.set_signal(signal);
    exited.set_drained(true);
    EXPECT_EQ(Of(exited).exit_code, 128 + signal);
    EXPECT_EQ(Of(exited).outcome, Outcome::kSignal);
  }
  v1::ExecExited exited;
  exited.set_signal(9);
  EXPECT_EQ(OutcomeWord(Of(exited)), "signal KILL");
}

TEST(CommandEndingTest, TimeoutIs124HoweverTheCommandTookIt) {
  v1::ExecExited exited = Code(0);
  exited.set_timed_out(true);
  EXPECT_EQ(Of(exited).exit_code, 124);
  EXPECT_EQ(OutcomeWord(Of(exited)), "timeout");
  exited.set_signal(15);
  EXPECT_EQ(Of(exited).exit_code, 124);
}

TEST(CommandEndingTest, TruncatedKeepsTheCommandsCode) {
  v1::ExecExited exited = Code(0);
  exited.set_truncated(true);
  EXPECT_EQ(OutcomeWord(Of(exited)), "truncated");
  EXPECT_EQ(Of(exited).exit_code, 0);
  EXPECT_THAT(Of(exited).notes, ElementsAre(HasSubstr("truncated")));
  exited.set_code(3);
  EXPECT_EQ(OutcomeWord(Of(exited)), "exit 3");
  EXPECT_THAT(Of(exited).notes, ElementsAre(HasSubstr("truncated")));
}

TEST(CommandEndingTest, LeftOverProcessesAreSaid) {
  v1::ExecExited exited = Code(7);
  exited.set_killed_count(1);
  EXPECT_THAT(Of(exited).notes, ElementsAre(HasSubstr("1 process was left")));
  exited.set_killed_count(2);
  exited.set_drained(false);
  EXPECT_THAT(Of(exited).notes, ElementsAre(HasSubstr("2 processes were left"),
                                            HasSubstr("may lack its end")));
}

TEST(CommandEndingTest, NonsenseFromAnAgentIsNeverSuccess) {
  EXPECT_EQ(Of(v1::ExecExited()).exit_code, 255);
  EXPECT_EQ(Of(v1::ExecExited()).outcome, Outcome::kLost);
  for (int code : {-1, 256, 512, INT32_MIN, INT32_MAX}) {
    EXPECT_EQ(Of(Code(code)).exit_code, 255) << code;
  }
  v1::ExecExited exited;
  exited.set_signal(128);
  EXPECT_EQ(Of(exited).exit_code, 255);
  const CommandEnding silent =
      ClassifyCommand(nullptr, absl::OkStatus(), true, kVm1);
  EXPECT_EQ(silent.outcome, Outcome::kLost);
  EXPECT_EQ(silent.exit_code, 255);
}

TEST(CommandEndingTest, WithoutAnEndItIsNoResult) {
  const struct {
    absl::Status status;
    bool started;
    Outcome outcome;
    const char* reason;
    int exit_code = 255;
  } kCases[] = {
      {absl::UnavailableError("failed to connect to all addresses; last error: "
                              "UNKNOWN: Connection refused"),
       false, Outcome::kUnreachable, "is specula-agent running"},
      {absl::UnavailableError("failed to connect to all addresses; last error: "
                              "UNAVAILABLE: Socket closed"),
       false, Outcome::kRefused, "does not accept this certificate"},
      {absl::PermissionDeniedError("takes the role operator"), false,
       Outcome::kDenied, "takes the role operator"},
      {absl::DeadlineExceededError("no answer in time"), false,
       Outcome::kUnreachable, "no answer in time"},
      {absl::NotFoundError("exec(/nope): No such file"), false,
       Outcome::kFailed, "NOT_FOUND: exec(/nope)"},
      {absl::UnavailableError("Socket closed"), false, Outcome::kLost,
       "in the middle of the call"},
      {absl::UnavailableError("Socket closed"), true, Outcome::kLost,
       "in the middle of the call"},
      {absl::UnavailableError("keepalive watchdog timeout"), true,
       Outcome::kLost, "broke in the middle of the call"},
      {absl::InternalError("odd\x1b[2J"), true, Outcome::kLost, "odd\\x1b[2J"},
      {absl::PermissionDeniedError("revoked"), true, Outcome::kDenied,
       "revoked"},
      {absl::DeadlineExceededError(""), true, Outcome::kTimeout,
       "the caller's deadline", 124},
  };
  for (const auto& test : kCases) {
    const CommandEnding ending =
        ClassifyCommand(nullptr, test.status, test.started, kVm1);
    EXPECT_EQ(ending.outcome, test.outcome) << test.status;
    EXPECT_EQ(ending.exit_code, test.exit_code) << test.status;
    EXPECT_THAT(ending.reason, HasSubstr(test.reason)) << test.status;
    EXPECT_THAT(ending.reason, Not(HasSubstr("\x1b")));
  }
}

TEST(CommandEndingTest, WhatTheAgentSaidCountsMoreThanTheCallsEnd) {
  const v1::ExecExited exited = Code(5);
  const CommandEnding ending = ClassifyCommand(
      &exited, absl::UnavailableError("Socket closed"), true, kVm1);
  EXPECT_EQ(ending.exit_code, 5);
}

}  // namespace
}  // namespace specula
