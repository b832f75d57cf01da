// What becomes of the output of commands that only print, where its reader is
// slow, gone or out of room.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/unique_fd.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Words = std::vector<std::string>;

// Some 170 kB, for which no host is asked.
const Words kLong = {"hosts", "vm[1-20000]", "--expand"};

Words Specula(const Words& words) {
  Words command = {Program("specula")};
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

TEST(OutputOfCommandsTest, APipeThatDoesNotBlockIsWaitedFor) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.get(), STDOUT_FILENO);
  Words words = Specula(kLong);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t pid = -1;
  ASSERT_EQ(posix_spawn(&pid, words[0].c_str(), &actions, nullptr,
                        arguments.data(), environ),
            0);
  posix_spawn_file_actions_destroy(&actions);
  in.Reset();
  // The pipe is full by then, on most machines.
  absl::SleepFor(absl::Milliseconds(300));
  size_t got = 0;
  char buffer[4096];
  // Reads little by little until the other end is closed.
  for (ssize_t count = 1; count != 0;) {
    count = read(out.get(), buffer, sizeof buffer);
    if (count > 0) got += static_cast<size_t>(count);
    absl::SleepFor(absl::Milliseconds(1));
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(got, RunProgram(Specula(kLong)).out.size());
}

TEST(OutputOfCommandsTest, AReaderThatHasGoneIsQuietAnd141) {
  Words shell = {"bash", "-c", "\"$@\" | head -c 5; exit ${PIPESTATUS[0]}",
                 "bash"};
  for (const std::string& word : Specula(kLong)) shell.push_back(word);
  const Result result = RunProgram(shell);
  EXPECT_EQ(result.exit_code, 141);
  EXPECT_THAT(result.err, IsEmpty());
}

TEST(OutputOfCommandsTest, ADiskThatIsFullIsSaid) {
  for (const Words& words :
       {kLong, Words{"--help"}, Words{"--version"}, Words{"__man"},
        Words{"completion", "bash"}, Words{"runs"}}) {
    Words shell = {"sh", "-c", "exec \"$@\" >/dev/full", "sh"};
    for (const std::string& word : Specula(words)) shell.push_back(word);
    // Not the runs of the user.
    const TemporaryDirectory home;
    const Result result =
        RunProgram(shell, {"HOME=" + home.path(), "PATH=/usr/bin:/bin"});
    EXPECT_EQ(result.exit_code, 255) << words[0];
    EXPECT_THAT(result.err,
                HasSubstr("specula: cannot write to standard output: No space"))
        << words[0];
  }
}

}  // namespace
}  // namespace specula::testing
