#include "agent/tail/path_trace.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/tail/bench.h"

namespace specula::agent {

void PrintTo(const Hop& hop, std::ostream* out) {
  *out << hop.directory << " : " << hop.name;
}

namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class PathTraceTest : public ::testing::Test {
 protected:
  PathTraceTest() : root_(std::filesystem::canonical(box_.Path(""))) {
    root_ = root_.substr(0, root_.find_last_not_of('/') + 1);
  }

  Sandbox box_;
  std::string root_;
};

TEST_F(PathTraceTest, PlainFileIsOneHop) {
  box_.Append("log", "");
  const PathTrace trace = TracePath(box_.Path("log"));
  EXPECT_THAT(trace.hops, ElementsAre(Hop{root_, "log"}));
  EXPECT_EQ(trace.target, root_ + "/log");
  EXPECT_TRUE(trace.status.ok());
  EXPECT_EQ(TracePath(box_.Path("./x/..//log")).hops.size(), 1u);
}

TEST_F(PathTraceTest, LinksToFilesAndDirectoriesAreHops) {
  // As on Kubernetes: containers/x.log -> pods/p/0.log -> run/x-json.log.
  box_.Directory("containers");
  box_.Directory("pods-1/p");
  box_.Directory("run");
  box_.Append("run/x-json.log", "");
  box_.Link("pods-1", "pods");
  box_.Link("../pods/p/0.log", "containers/x.log");
  box_.Link(box_.Path("run/x-json.log"), "pods-1/p/0.log");
  const PathTrace trace = TracePath(box_.Path("containers/x.log"));
  EXPECT_THAT(trace.hops,
              ElementsAre(Hop{root_ + "/containers", "x.log"},
                          Hop{root_, "pods"}, Hop{root_ + "/pods-1/p", "0.log"},
                          Hop{root_ + "/run", "x-json.log"}));
  EXPECT_EQ(trace.target, root_ + "/run/x-json.log");
}

TEST_F(PathTraceTest, TheFirstThatIsNotThereIsTheLastHop) {
  const PathTrace name = TracePath(box_.Path("log"));
  EXPECT_THAT(name.hops, ElementsAre(Hop{root_, "log"}));
  EXPECT_EQ(name.target, "");
  EXPECT_TRUE(name.status.ok());
  const PathTrace deep = TracePath(box_.Path("a/b/log"));
  EXPECT_THAT(deep.hops, ElementsAre(Hop{root_, "a"}));
  box_.Link("none/x", "dangling");
  EXPECT_THAT(TracePath(box_.Path("dangling")).hops,
              ElementsAre(Hop{root_, "dangling"}, Hop{root_, "none"}));
}

TEST_F(PathTraceTest, AFileInPlaceOfADirectoryIsNotThere) {
  box_.Append("a", "");
  const PathTrace trace = TracePath(box_.Path("a/log"));
  EXPECT_EQ(trace.target, "");
  EXPECT_TRUE(trace.status.ok());
  // It is watched until it is a directory.
  EXPECT_THAT(trace.hops, ElementsAre(Hop{root_, "a"}));
}

TEST_F(PathTraceTest, LoopsEnd) {
  box_.Link("b", "a");
  box_.Link("a", "b");
  const PathTrace trace = TracePath(box_.Path("a"));
  EXPECT_EQ(trace.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(trace.target, "");
  EXPECT_THAT(trace.hops, SizeIs(41));
}

TEST_F(PathTraceTest, DotsAboveTheRootStayThere) {
  EXPECT_EQ(TracePath("/../../etc/..").target, "/");
  EXPECT_EQ(TracePath("/").target, "/");
}

}  // namespace
}  // namespace specula::agent
