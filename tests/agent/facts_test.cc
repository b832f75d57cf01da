#include "agent/facts.h"

#include <gtest/gtest.h>

namespace specula::agent {
namespace {

TEST(FactsTest, TheSameAllowedIsTheSameHash) {
  Options a;
  a.ceiling.users = {"web", "db"};
  a.tls.key = "/one";
  a.listen = {"10.0.0.1", 1};
  Options b;
  b.ceiling.users = {"db", "web", "db"};
  b.tls.key = "/another";
  EXPECT_EQ(FactsOf(a).ceiling_hash, FactsOf(b).ceiling_hash);
  EXPECT_EQ(FactsOf(a).configuration_hash, FactsOf(b).configuration_hash);
  EXPECT_EQ(FactsOf(a).ceiling_hash.size(), 16U);
}

TEST(FactsTest, EveryKeyOfTheCeilingCounts) {
  const std::string usual = FactsOf(Options()).ceiling_hash;
  void (*const changes[])(Ceiling&) = {
      [](Ceiling& c) { c.commands = false; },
      [](Ceiling& c) { c.users = {"web"}; },
      [](Ceiling& c) { c.default_user = "web"; },
      [](Ceiling& c) { c.programs = {"/bin/ls"}; },
      [](Ceiling& c) { c.tail = false; },
      [](Ceiling& c) { c.tail_roots = {"/var/log"}; },
      [](Ceiling& c) { c.kill = KillScope::kStarted; },
      [](Ceiling& c) { c.max_execs = 3; },
      [](Ceiling& c) { c.max_execs_per_caller = 3; },
      [](Ceiling& c) { c.max_started = 3; },
      [](Ceiling& c) { c.max_timeout = absl::Seconds(3); },
      [](Ceiling& c) { c.max_output_bytes = 3; },
  };
  std::vector<std::string> seen = {usual};
  for (const auto change : changes) {
    Options options;
    change(options.ceiling);
    const AboutAgent::Facts facts = FactsOf(options);
    for (const std::string& other : seen) EXPECT_NE(facts.ceiling_hash, other);
    EXPECT_NE(facts.configuration_hash, FactsOf(Options()).configuration_hash);
    seen.push_back(facts.ceiling_hash);
  }
}

TEST(FactsTest, ListsDoNotRunIntoEachOther) {
  Options a;
  a.ceiling.users = {"a,1:b"};
  Options b;
  b.ceiling.users = {"a", "b"};
  EXPECT_NE(FactsOf(a).ceiling_hash, FactsOf(b).ceiling_hash);
}

TEST(FactsTest, LimitsChangeTheConfigurationOnly) {
  Options options;
  options.limits.all = 7;
  EXPECT_EQ(FactsOf(options).ceiling_hash, FactsOf(Options()).ceiling_hash);
  EXPECT_NE(FactsOf(options).configuration_hash,
            FactsOf(Options()).configuration_hash);
}

TEST(FactsTest, InAContainerTheHostsMountsSayNothingOfTheStateDirectory) {
  Options options;
  options.state_directory = "/var/lib/specula";
  EXPECT_EQ(FactsOf(options).state_directory, "/var/lib/specula");
  options.proc_root = "/host";
  EXPECT_EQ(FactsOf(options).state_directory, "");
}

TEST(FactsTest, WhereTheStateIsIsToldWhereTheHostSeesIt) {
  Options options;
  options.state_directory = "/var/lib/specula";
  EXPECT_EQ(FactsOf(options).state_directory, "/var/lib/specula");
  options.proc_root = "/host";
  EXPECT_EQ(FactsOf(options).state_directory, "");
  const std::string inside = FactsOf(options).configuration_hash;
  options.host_namespaces = "/proc/1/ns";
  EXPECT_EQ(FactsOf(options).state_directory, "/var/lib/specula");
  EXPECT_NE(FactsOf(options).configuration_hash, inside);
}

TEST(FactsTest, AGivenHostNameIsTold) {
  Options options;
  options.hostname = "node-1";
  EXPECT_EQ(FactsOf(options).hostname, "node-1");
}

}  // namespace
}  // namespace specula::agent
