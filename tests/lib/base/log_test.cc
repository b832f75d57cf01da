#include "lib/base/log.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/unique_fd.h"
#include "tests/lib/base/sanitizers.h"

namespace specula {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string Line(absl::string_view message,
                 const std::vector<LogField>& fields) {
  return FormatLogLine("T", LogLevel::kInfo, message, fields);
}

// Standard error as a pipe that is read when the test wants to.
class PipedLog {
 public:
  PipedLog() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    reader_.Reset(ends[0]);
    writer_.Reset(ends[1]);
    dup2(writer_.get(), STDERR_FILENO);
  }
  ~PipedLog() { dup2(kept_.get(), STDERR_FILENO); }

  int writer() const { return writer_.get(); }

  // All that was logged; the log is the test's own again.
  std::string Read() {
    std::string text;
    std::thread reading([&] {
      char buffer[4096];
      for (ssize_t got;
           (got = read(reader_.get(), buffer, sizeof(buffer))) > 0;) {
        text.append(buffer, static_cast<size_t>(got));
      }
    });
    FlushLog(kLong);
    dup2(kept_.get(), STDERR_FILENO);
    writer_.Reset();
    reading.join();
    return text;
  }

 private:
  static constexpr absl::Duration kLong = absl::Minutes(2);

  const UniqueFd kept_{dup(STDERR_FILENO)};
  UniqueFd reader_, writer_;
};

// What `action` writes to standard error.
std::string Captured(const std::function<void()>& action) {
  PipedLog piped;
  action();
  return piped.Read();
}

// Reads a line of logfmt back: an own, strict reader of key=value and
// key="value" with the escapes of a quoted string.
std::vector<std::pair<std::string, std::string>> ReadBack(
    const std::string& line) {
  std::vector<std::pair<std::string, std::string>> fields;
  size_t i = 0;
  while (i < line.size()) {
    const size_t equals = line.find('=', i);
    if (equals == std::string::npos) return {};
    std::string key = line.substr(i, equals - i);
    std::string value;
    i = equals + 1;
    if (i < line.size() && line[i] == '"') {
      for (++i; i < line.size() && line[i] != '"'; ++i) {
        if (line[i] == '\\' && i + 1 < line.size()) ++i;
        value += line[i];
      }
      if (i == line.size()) return {};  // the quote is open
      ++i;
      if (i < line.size() && line[i] != ' ') return {};
    } else {
      const size_t end = std::min(line.find(' ', i), line.size());
      value = line.substr(i, end - i);
      i = end;
    }
    fields.emplace_back(std::move(key), std::move(value));
    if (i < line.size()) ++i;
  }
  return fields;
}

TEST(LogTest, LineHasTimeLevelMessageAndFieldsInOrder) {
  EXPECT_EQ(
      FormatLogLine("2026-11-20T19:04:05.123Z", LogLevel::kInfo, "listening",
                    {{"address", "[::]:60120"}, {"connections", 12}}),
      "time=2026-11-20T19:04:05.123Z level=info msg=listening "
      "address=[::]:60120 connections=12");
  EXPECT_EQ(FormatLogLine("T", LogLevel::kWarning, "a b", {}),
            "time=T level=warning msg=\"a b\"");
  EXPECT_EQ(FormatLogLine("T", LogLevel::kError, "", {}),
            "time=T level=error msg=\"\"");
}

TEST(LogTest, ValuesAreQuotedWhereNeeded) {
  const struct {
    std::string value;
    const char* text;
  } kCases[] = {
      {"plain-1.2/x:y,z", "k=plain-1.2/x:y,z"},
      {"", "k=\"\""},
      {"two words", "k=\"two words\""},
      {"a=b", "k=\"a=b\""},
      {"say \"x\"", "k=\"say \\\"x\\\"\""},
      {"\"", "k=\"\\\"\""},
      {"back\\slash", "k=\"back\\\\slash\""},
      {"\\", "k=\"\\\\\""},
      {"line\nbreak", "k=\"line\\nbreak\""},
      {"\x1b[31m", "k=\"\\x1b[31m\""},
      {"é", "k=é"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Line("m", {{"k", test.value}}),
              absl::StrCat("time=T level=info msg=m ", test.text));
  }
}

TEST(LogTest, NoValueCanForgeALineOrAField) {
  const std::string kAttacks[] = {
      "x\ntime=T level=error msg=forged",
      "x\r\nlevel=error",
      "x level=error",
      "x\" level=error msg=\"forged",
      "x\\\" level=error msg=\"forged",
      "x\\\\\" level=error msg=\"forged",
      "\\",
      "x\\",
      "\" ",
      std::string("x\0 level=error", 15),
      "x\xc2\x85level=error",
      "\u2028level=error",
      "=",
      "\xff\" level=error",
  };
  for (const std::string& attack : kAttacks) {
    const std::string line =
        Line(attack, {{"peer", attack}, {"last", "untouched"}});
    EXPECT_THAT(line, Not(HasSubstr("\n")));
    EXPECT_THAT(line, Not(HasSubstr("\r")));
    const auto fields = ReadBack(line);
    ASSERT_EQ(fields.size(), 5u) << line;
    EXPECT_EQ(fields[1].second, "info") << line;
    EXPECT_EQ(fields[2].first, "msg") << line;
    EXPECT_EQ(fields[3].first, "peer") << line;
    EXPECT_EQ(fields[4].first, "last") << line;
    EXPECT_EQ(fields[4].second, "untouched") << line;
  }
}

TEST(LogTest, OneCallWritesOneLineWithTheTime) {
  const std::string text = Captured([] {
    Log(LogLevel::kInfo, "started up", {{"pid", 7}});
    Log(LogLevel::kWarning, "bye");
  });
  EXPECT_THAT(
      text, MatchesRegex(
                "time=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.]"
                "[0-9]{3}Z level=info msg=\"started up\" pid=7\n"
                "time=[^ ]+ level=warning msg=bye\n"));
}

TEST(LogTest, LinesOfThreadsDoNotMix) {
  const std::string text = Captured([] {
    std::vector<std::thread> threads;
    for (char letter : {'a', 'b', 'c', 'd'}) {
      threads.emplace_back([letter] {
        for (int i = 0; i < 50; ++i) {
          Log(LogLevel::kInfo, "m", {{"k", std::string(100, letter)}});
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  ASSERT_EQ(lines.size(), 201u);
  for (size_t i = 0; i < 200; ++i) {
    EXPECT_THAT(lines[i],
                MatchesRegex("time=[^ ]+ level=info msg=m k=(a+|b+|c+|d+)"));
  }
}

TEST(LogTest, StrangersGetTenLinesAndTheRestIsCounted) {
  // Time may pass meanwhile, at two lines a second, so the counts are compared
  // and not taken for granted.
  constexpr int kCalls = 1000;
  LimitedLog log;
  std::string text = Captured([&] {
    for (int i = 0; i < kCalls; ++i)
      log(LogLevel::kInfo, "stranger", {{"i", i}});
  });
  std::vector<std::string> lines =
      absl::StrSplit(text, '\n', absl::SkipEmpty());
  ASSERT_GE(lines.size(), 10u);
  ASSERT_LT(lines.size(), 500u);
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(lines[i], EndsWith(absl::StrCat(" msg=stranger i=", i)));
  }
  // The next one that is written tells what was left out.
  const int64_t written = static_cast<int64_t>(lines.size());
  int64_t told = 0;
  auto count = [&](const std::vector<std::string>& from) {
    for (const std::string& line : from) {
      const size_t at = line.find(" suppressed=");
      if (at != std::string::npos) told += std::stoll(line.substr(at + 12));
    }
  };
  count(lines);
  for (int tries = 0; tries < 1000; ++tries) {
    text = Captured([&] { log(LogLevel::kInfo, "later"); });
    if (!text.empty()) {
      count({text});
      // The calls of this loop that were not written count as well.
      EXPECT_EQ(told, kCalls - written + tries);
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  FAIL() << "nothing is written any more";
}

TEST(LogTest, CountStartsAnewOnceItWasTold) {
  LimitedLog log;
  std::string text;
  while (!absl::StrContains(text, "suppressed=")) {
    text = Captured([&] { log(LogLevel::kInfo, "m"); });
  }
  // The very next line that is written tells only what came after.
  int64_t silent = 0;
  while (true) {
    text = Captured([&] { log(LogLevel::kInfo, "m"); });
    if (!text.empty()) break;
    ++silent;
  }
  if (silent == 0) {
    EXPECT_THAT(text, Not(HasSubstr("suppressed=")));
  } else {
    EXPECT_THAT(text, EndsWith(absl::StrCat(" suppressed=", silent, "\n")));
  }
}

// The number after `key` in `line`; -1 if there is none.
int64_t NumberOf(absl::string_view key, const std::string& line) {
  const size_t at = line.find(absl::StrCat(" ", key, "="));
  return at == std::string::npos ? -1
                                 : std::stoll(line.substr(at + 2 + key.size()));
}

TEST(LogTest, LoggingDoesNotWaitForAReaderAndWhatIsDroppedIsCounted) {
  constexpr int kCalls = 10000;
  PipedLog piped;
  for (int i = 0; i < kCalls; ++i)
    Log(LogLevel::kInfo, "m", {{"i", i}, {"pad", std::string(60, 'x')}});
  // A pipe and 256 KiB hold a third of it.
  EXPECT_GT(LogDropped(), kCalls / 2);
  const std::vector<std::string> lines =
      absl::StrSplit(piped.Read(), '\n', absl::SkipEmpty());
  EXPECT_EQ(LogDropped(), 0);
  int64_t next = 0;
  int64_t dropped = 0;
  for (const std::string& line : lines) {
    if (NumberOf("dropped", line) > 0) {
      EXPECT_THAT(
          line, MatchesRegex("time=[^ ]+ level=warning msg=\"lines of the log "
                             "were dropped\" dropped=[0-9]+ since=2[^ ]+Z"));
      dropped += NumberOf("dropped", line);
      next += NumberOf("dropped", line);
      continue;
    }
    ASSERT_EQ(NumberOf("i", line), next) << line;
    ++next;
  }
  EXPECT_GT(dropped, 0);
  EXPECT_EQ(next, kCalls);
}

TEST(LogTest, WhatWasDroppedIsToldBeforeTheNextLine) {
  const std::string blank(1000, 'x');
  PipedLog piped;
  while (LogDropped() < 10) Log(LogLevel::kInfo, "m", {{"pad", blank}});
  std::vector<std::string> lines =
      absl::StrSplit(piped.Read(), '\n', absl::SkipEmpty());
  // Nothing follows, so the count comes at the end.
  EXPECT_EQ(NumberOf("dropped", lines.back()), 10);
  const std::string text = Captured([] { Log(LogLevel::kInfo, "later"); });
  EXPECT_THAT(text, Not(HasSubstr("dropped")));
}

TEST(LogTest, LinesComeWholeThroughAPipeThatDoesNotBlock) {
  // A tenth fits into the pipe: the others wait for room.
  constexpr int kCalls = 2000;
  PipedLog piped;
  fcntl(piped.writer(), F_SETFL, O_NONBLOCK);
  for (int i = 0; i < kCalls; ++i)
    Log(LogLevel::kInfo, "m", {{"i", i}, {"pad", std::string(60, 'x')}});
  EXPECT_EQ(LogDropped(), 0);
  const std::vector<std::string> lines =
      absl::StrSplit(piped.Read(), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), static_cast<size_t>(kCalls));
  for (int i = 0; i < kCalls; ++i) EXPECT_EQ(NumberOf("i", lines[i]), i);
}

TEST(LogTest, ALogThatCannotBeWrittenIsCounted) {
  const UniqueFd kept(dup(STDERR_FILENO));
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full.valid());
  dup2(full.get(), STDERR_FILENO);
  for (int i = 0; i < 3; ++i) Log(LogLevel::kInfo, "lost");
  FlushLog(absl::Minutes(2));
  EXPECT_EQ(LogDropped(), 3);
  dup2(kept.get(), STDERR_FILENO);
  const std::string text = Captured([] { Log(LogLevel::kInfo, "again"); });
  EXPECT_THAT(text, MatchesRegex(".* dropped=3 since=[^\n]+\n.* msg=again\n"));
}

TEST(LogTest, WhatIsLoggedAtTheEndComesOut) {
  const auto leave = [](bool by_exit) {
    for (int i = 0; i < 100; ++i) Log(LogLevel::kInfo, "m");
    Log(LogLevel::kError, "this is why");
    if (by_exit) exit(3);
    FlushLog();
    _exit(3);
  };
  EXPECT_EXIT(leave(true), ::testing::ExitedWithCode(3), "this is why");
  EXPECT_EXIT(leave(false), ::testing::ExitedWithCode(3), "this is why");
}

TEST(LogTest, AnEndDoesNotWaitForAReader) {
  const pid_t child = fork();
  if (child == 0) {
    PipedLog piped;
    while (LogDropped() == 0) Log(LogLevel::kInfo, std::string(1000, 'x'));
    exit(3);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 3) << status;
}

TEST(LogTest, AForkInTheMiddleOfLoggingTearsNothing) {
  if (specula::testing::kForksMayHang)
    GTEST_SKIP() << "AddressSanitizer does not survive a fork beside threads";
  constexpr int kForks = 100;
  std::atomic<bool> stop = false;
  std::atomic<int> logged = 0;
  PipedLog piped;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      // Few enough that all of them fit.
      while (!stop && logged < 1000) {
        Log(LogLevel::kInfo, "parent", {{"i", logged++}});
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
    });
  }
  for (int i = 0; i < kForks; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      Log(LogLevel::kInfo, "child", {{"i", i}});
      FlushLog(absl::Minutes(2));
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  // Each line once: the child has not written its parent's as well.
  std::vector<std::string> lines =
      absl::StrSplit(piped.Read(), '\n', absl::SkipEmpty());
  int parents = 0;
  int children = 0;
  for (const std::string& line : lines) {
    parents += absl::StrContains(line, " msg=parent ") ? 1 : 0;
    children += absl::StrContains(line, " msg=child ") ? 1 : 0;
  }
  EXPECT_EQ(parents, logged);
  EXPECT_EQ(children, kForks);
  EXPECT_EQ(lines.size(), static_cast<size_t>(parents + children));
}

}  // namespace
}  // namespace specula
