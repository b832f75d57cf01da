#include "agent/border/peers.h"

#include <memory>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::agent {
namespace {

TEST(PeersTest, NamesAreNeverGivenTwiceAndFitASocket) {
  Peers peers, others;
  std::set<std::string> names;
  for (int i = 0; i < 1000; ++i) {
    for (Peers* some : {&peers, &others}) {
      const std::string name = some->NewName();
      EXPECT_LE(name.size(), 64u);
      EXPECT_TRUE(names.insert(name).second) << name;
    }
  }
}

TEST(PeersTest, AConnectionIsFoundWhileItIsOpen) {
  Peers peers;
  const std::string name = peers.NewName();
  EXPECT_EQ(peers.Find("unix-abstract:" + name), nullptr);
  peers.Add(name, std::make_shared<const Peer>(Peer{nullptr, "192.0.2.1:7"}));
  ASSERT_NE(peers.Find("unix-abstract:" + name), nullptr);
  EXPECT_EQ(peers.Find("unix-abstract:" + name)->address, "192.0.2.1:7");
  EXPECT_EQ(peers.Find(name), nullptr);
  EXPECT_EQ(peers.Find(""), nullptr);
  EXPECT_EQ(peers.size(), 1u);
  int seen = 0;
  peers.ForEach([&](const std::string& its_name, const Peer& peer) {
    EXPECT_EQ(its_name, name);
    EXPECT_EQ(peer.address, "192.0.2.1:7");
    ++seen;
  });
  EXPECT_EQ(seen, 1);
  peers.Remove(name);
  EXPECT_EQ(peers.Find("unix-abstract:" + name), nullptr);
  EXPECT_EQ(peers.size(), 0u);
}

}  // namespace
}  // namespace specula::agent
