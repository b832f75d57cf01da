#include "ctl/bootstrap/plan.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<WantedFile> Wanted(const std::string& program = "program",
                               const std::string& certificate = "cert") {
  std::vector<WantedFile> wanted;
  const auto add = [&](const std::string& name, const std::string& content) {
    wanted.push_back(
        MakeWantedFile(name, std::make_shared<const std::string>(content)));
  };
  add("agent", program);
  add("config", "config");
  add("ca", "ca");
  add("key", certificate + " key");
  add("cert", certificate);
  add("denylist", "");
  add("unit", "unit");
  add("sysusers", "sysusers");
  add("tmpfiles", "tmpfiles");
  return wanted;
}

// A host on which all of `wanted` is in place and runs.
Facts Installed(const std::vector<WantedFile>& wanted, bool systemd = false) {
  Facts facts;
  facts.architecture = "x86_64";
  facts.systemd = systemd;
  facts.agent.supervisor = systemd ? Supervisor::kSystemd : Supervisor::kPlain;
  facts.agent.pid = 17;
  for (const WantedFile& file : wanted) {
    facts.files[file.name] = file.sha256;
    if (file.name == "agent") facts.agent.sha256 = file.sha256;
  }
  return facts;
}

std::vector<std::string> Names(const Plan& plan) {
  std::vector<std::string> names;
  for (const WantedFile& file : plan.send) names.push_back(file.name);
  return names;
}

Plan PlanOf(const Facts& facts, const std::vector<WantedFile>& wanted,
            const PlanOptions& options = {}) {
  absl::StatusOr<Plan> plan = MakePlan(facts, wanted, options);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *plan : Plan();
}

TEST(PlanTest, AFreshHostGetsAllAndNoUnitWithoutSystemd) {
  Facts facts;
  Plan plan = PlanOf(facts, Wanted());
  EXPECT_THAT(Names(plan),
              ElementsAre("agent", "config", "ca", "key", "cert", "denylist"));
  EXPECT_TRUE(plan.restart);
  EXPECT_EQ(plan.supervisor, Supervisor::kPlain);
  EXPECT_EQ(plan.word, "installed");
  facts.systemd = true;
  plan = PlanOf(facts, Wanted());
  EXPECT_EQ(plan.send.size(), 9u);
  EXPECT_EQ(plan.supervisor, Supervisor::kSystemd);
  EXPECT_EQ(PlanOf(facts, Wanted(), {.no_systemd = true}).supervisor,
            Supervisor::kPlain);
}

TEST(PlanTest, WhatIsAsItShallBeIsLeftAlone) {
  for (const bool systemd : {false, true}) {
    const Plan plan = PlanOf(Installed(Wanted(), systemd), Wanted());
    EXPECT_TRUE(plan.nothing_to_do());
    EXPECT_EQ(plan.word, "unchanged");
  }
}

TEST(PlanTest, AnotherProgramIsAnUpgrade) {
  const Plan plan = PlanOf(Installed(Wanted("old")), Wanted("new"));
  EXPECT_THAT(Names(plan), ElementsAre("agent"));
  EXPECT_TRUE(plan.restart);
  EXPECT_EQ(plan.word, "upgraded");
}

TEST(PlanTest, NewCertificatesNeedNoRestart) {
  const Plan plan = PlanOf(Installed(Wanted("p", "old")), Wanted("p", "new"));
  EXPECT_THAT(Names(plan), ElementsAre("key", "cert"));
  EXPECT_FALSE(plan.restart);
  EXPECT_EQ(plan.word, "renewed");
}

TEST(PlanTest, AConfigurationThatIsThereIsTheHostsOwn) {
  Facts facts = Installed(Wanted());
  facts.files["config"] = "edited by hand";
  EXPECT_TRUE(PlanOf(facts, Wanted()).nothing_to_do());
  const Plan plan = PlanOf(facts, Wanted(), {.replace_config = true});
  EXPECT_THAT(Names(plan), ElementsAre("config"));
  EXPECT_TRUE(plan.restart);
  EXPECT_EQ(plan.word, "reconfigured");
}

TEST(PlanTest, WhatDoesNotRunOrRunsSomethingElseIsStarted) {
  Facts facts = Installed(Wanted());
  facts.agent = {};
  Plan plan = PlanOf(facts, Wanted());
  EXPECT_THAT(Names(plan), IsEmpty());
  EXPECT_TRUE(plan.restart);
  EXPECT_EQ(plan.word, "started");
  facts = Installed(Wanted());
  facts.agent.sha256 = "of the program before";
  plan = PlanOf(facts, Wanted());
  EXPECT_TRUE(plan.restart);
  EXPECT_EQ(plan.word, "restarted");
}

TEST(PlanTest, FromThePlainStartToSystemd) {
  Facts facts = Installed(Wanted(), true);
  facts.agent.supervisor = Supervisor::kPlain;
  const Plan plan = PlanOf(facts, Wanted());
  EXPECT_TRUE(plan.restart);
  EXPECT_EQ(plan.word, "moved");
}

TEST(PlanTest, RenewTouchesCertificatesOnly) {
  Facts facts = Installed(Wanted("old", "old"));
  facts.agent = {};
  const Plan plan =
      PlanOf(facts, Wanted("new", "new"), {.certificates_only = true});
  EXPECT_THAT(Names(plan), ElementsAre("key", "cert"));
  EXPECT_FALSE(plan.restart);
}

TEST(PlanTest, RenewNeedsAnAgent) {
  EXPECT_THAT(
      std::string(MakePlan(Facts(), Wanted(), {.certificates_only = true})
                      .status()
                      .message()),
      HasSubstr("no agent is installed"));
}

TEST(PlanTest, APackagesAgentIsThePackagesMatter) {
  Facts facts;
  facts.packaged = true;
  EXPECT_THAT(std::string(MakePlan(facts, Wanted(), {}).status().message()),
              HasSubstr("package"));
  EXPECT_TRUE(MakePlan(facts, Wanted(), {.certificates_only = true}).ok());
}

}  // namespace
}  // namespace specula::ctl
