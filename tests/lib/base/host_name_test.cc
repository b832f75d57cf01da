#include "lib/base/host_name.h"

#include <gtest/gtest.h>

#include <string>

namespace specula {
namespace {

TEST(HostNameTest, OneGrammarForAll) {
  const std::string label(63, 'a');
  const std::string longest =
      label + "." + label + "." + label + "." + std::string(61, 'a');
  for (const std::string& name :
       {std::string("a"), std::string("1"), std::string("vm-1"),
        std::string("db_1"), std::string("a._x"), std::string("x_"),
        std::string("VM1.Example.org"), std::string("vm1.example.org."),
        std::string("3com.example"), std::string("10.0.0.1.example"),
        std::string("10.0.0.a"), std::string("a.10"), label, longest,
        longest + "."}) {
    EXPECT_TRUE(IsHostName(name)) << name;
  }
  for (const std::string& name : {std::string(),
                                  std::string("."),
                                  std::string(".."),
                                  std::string(".a"),
                                  std::string("a.."),
                                  std::string("a..b"),
                                  std::string("-a"),
                                  std::string("a-"),
                                  std::string("a-.b"),
                                  std::string("a.-b"),
                                  std::string("a b"),
                                  std::string("_x"),
                                  std::string("a/b"),
                                  std::string("a:1"),
                                  std::string("a%1"),
                                  std::string("*.a"),
                                  std::string("v\xc3\xa9"),
                                  std::string("a\0", 2),
                                  std::string("a\n"),
                                  std::string("10.0.0.1"),
                                  std::string("10.0.0.300"),
                                  std::string("1.2"),
                                  std::string("::1"),
                                  label + "a",
                                  longest + "a"}) {
    EXPECT_FALSE(IsHostName(name)) << name;
  }
}

TEST(HostNameTest, Addresses) {
  for (const char* text :
       {"10.0.0.1", "::1", "2001:DB8::1", "::ffff:1.2.3.4"}) {
    EXPECT_TRUE(IsIpAddress(text)) << text;
  }
  for (const char* text :
       {"", "a", "10.0.0.300", "1", "010.0.0.1", "[::1]", "fe80::1%eth0"}) {
    EXPECT_FALSE(IsIpAddress(text)) << text;
  }
  EXPECT_FALSE(IsIpAddress(absl::string_view("::1\0", 4)));
}

TEST(HostNameTest, NamesAreComparedWithoutCaseAndLastDot) {
  EXPECT_EQ(CanonicalHostName("VM_1.Example.org."), "vm_1.example.org");
  EXPECT_EQ(CanonicalHostName("a"), "a");
  EXPECT_EQ(CanonicalHostName(""), "");
}

}  // namespace
}  // namespace specula
