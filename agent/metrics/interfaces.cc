#include "agent/metrics/interfaces.h"

#include <net/if.h>
#include <net/if_arp.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace specula::agent {
namespace {

// A virtual interface may get an upper one without a change of the names.
constexpr absl::Duration kHolds = absl::Seconds(5);

// How likely the bytes of a virtual interface leave the host by it. What is
// less likely counts only where there is nothing better.
enum class Way { kNone, kBelowAnother, kTunnel, kTap, kOut };

using ByName = std::map<absl::string_view, const InterfaceFacts*>;

bool HasOneOf(const std::vector<std::string>& names, const ByName& known) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return known.count(name) != 0;
  });
}

// By the names that the programs give which make such interfaces: a word, and
// what parts it from others of its kind.
Way WayOfName(absl::string_view name) {
  struct Known {
    absl::string_view word;
    Way way;
  };
  static constexpr Known kWords[] = {
      {"lo", Way::kNone},    {"dummy", Way::kNone},
      {"ifb", Way::kNone},   {"docker", Way::kNone},
      {"br", Way::kNone},    {"virbr", Way::kNone},
      {"lxcbr", Way::kNone}, {"lxdbr", Way::kNone},
      {"cni", Way::kNone},   {"flannel", Way::kNone},
      {"cali", Way::kNone},  {"kube", Way::kNone},
      {"tunl", Way::kNone},  {"sit", Way::kNone},
      {"gre", Way::kNone},   {"ip6tnl", Way::kNone},
      {"vxlan", Way::kNone}, {"veth", Way::kBelowAnother},
      {"tun", Way::kTunnel}, {"wg", Way::kTunnel},
      {"ppp", Way::kTunnel}, {"tailscale", Way::kTunnel}};
  for (const Known& known : kWords) {
    if (!absl::ConsumePrefix(&name, known.word)) continue;
    const bool has_letters = known.word == "veth" || known.word == "cali";
    if (has_letters || name.empty() ||
        !absl::ascii_isalpha(static_cast<unsigned char>(name.front()))) {
      return known.way;
    }
    return Way::kOut;
  }
  return Way::kOut;
}

// Whether the other end of a veth is here, too.
bool IsPair(const InterfaceFacts& facts, const ByName& all) {
  return std::any_of(all.begin(), all.end(), [&](const auto& other) {
    const InterfaceFacts& end = *other.second;
    return &end != &facts && facts.link.has_value() && end.link.has_value() &&
           end.index == facts.link && end.link == facts.index;
  });
}

bool IsTunnelType(int64_t type) {
  switch (type) {
    case ARPHRD_NONE:  // tun, wireguard
    case ARPHRD_PPP:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case 823:  // ARPHRD_IP6GRE
      return true;
    default:
      return false;
  }
}

Way WayOf(const InterfaceFacts& facts, const ByName& all) {
  if (facts.name == "lo" || facts.type == ARPHRD_LOOPBACK) return Way::kNone;
  if (!facts.known) return WayOfName(facts.name);
  if (HasOneOf(facts.lowers, all)) return Way::kNone;
  static constexpr absl::string_view kBuiltUpon[] = {
      "bridge", "bond", "vxlan", "geneve", "gtp", "bareudp", "hsr", "vrf"};
  if (std::find(std::begin(kBuiltUpon), std::end(kBuiltUpon), facts.kind) !=
      std::end(kBuiltUpon)) {
    return Way::kNone;
  }
  if (IsTunnelType(facts.type)) {
    // The kernel makes some of its own accord that are never up.
    return (facts.flags & IFF_UP) != 0 ? Way::kTunnel : Way::kNone;
  }
  if (HasOneOf(facts.uppers, all)) return Way::kBelowAnother;
  if (IsPair(facts, all)) return Way::kNone;
  // Its other end is not here: veth, macvlan, ipvlan, vlan.
  if (facts.link.value_or(0) != 0 && facts.link != facts.index)
    return Way::kOut;
  if (facts.is_tap) return Way::kTap;
  // A dummy or ifb.
  if (facts.type == ARPHRD_ETHER && (facts.flags & IFF_NOARP) != 0)
    return Way::kNone;
  // A veth, too, whose ends happen to have equal numbers.
  return WayOfName(facts.name);
}

std::string ReadText(const ProcRoot& root, absl::string_view path) {
  absl::StatusOr<std::string> text = root.Read(path);
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

// Where the links of hardware lead, by name; iflink names the conduit of a port
// of a switch where there is no link (before Linux 5.8).
void AddLinksByNumber(std::vector<InterfaceFacts>& all) {
  for (InterfaceFacts& facts : all) {
    if (facts.is_virtual || !facts.link.has_value() ||
        facts.link == facts.index) {
      continue;
    }
    for (const InterfaceFacts& other : all) {
      if (!other.is_virtual && other.index == facts.link)
        facts.lowers.push_back(other.name);
    }
  }
}

}  // namespace

std::vector<bool> CountedInterfaces(const std::vector<InterfaceFacts>& given) {
  std::vector<InterfaceFacts> all = given;
  AddLinksByNumber(all);
  ByName hardware, by_name;
  for (const InterfaceFacts& facts : all) {
    by_name.emplace(facts.name, &facts);
    if (!facts.is_virtual) hardware.emplace(facts.name, &facts);
  }
  std::vector<bool> counted(all.size());
  if (!hardware.empty()) {
    std::vector<std::string> below;
    for (const InterfaceFacts& facts : all) {
      if (!facts.is_virtual)
        below.insert(below.end(), facts.lowers.begin(), facts.lowers.end());
    }
    for (size_t i = 0; i < all.size(); ++i) {
      counted[i] =
          !all[i].is_virtual && !HasOneOf(all[i].uppers, hardware) &&
          std::find(below.begin(), below.end(), all[i].name) == below.end();
    }
    return counted;
  }
  std::vector<Way> ways;
  ways.reserve(all.size());
  for (const InterfaceFacts& facts : all) ways.push_back(WayOf(facts, by_name));
  const Way best =
      ways.empty() ? Way::kNone : *std::max_element(ways.begin(), ways.end());
  for (size_t i = 0; i < all.size(); ++i)
    counted[i] = best != Way::kNone && ways[i] == best;
  return counted;
}

InterfaceFacts ReadInterface(const ProcRoot& root, const std::string& name,
                             bool details) {
  InterfaceFacts facts;
  facts.name = name;
  const std::string virtual_directory =
      absl::StrCat("/sys/devices/virtual/net/", name);
  const std::string class_directory = absl::StrCat("/sys/class/net/", name);
  facts.is_virtual = name == "lo" || root.Exists(virtual_directory);
  if (!details) return facts;
  const std::string directory =
      root.Exists(class_directory) ? class_directory : virtual_directory;
  absl::StatusOr<std::vector<std::string>> files = root.List(directory);
  if (!files.ok()) return facts;
  for (absl::string_view file : *files) {
    if (file == "bridge") facts.kind = "bridge";
    if (file == "bonding") facts.kind = "bond";
    if (file == "tun_flags") facts.is_tap = true;
    if (absl::ConsumePrefix(&file, "upper_")) facts.uppers.emplace_back(file);
    if (absl::ConsumePrefix(&file, "lower_")) facts.lowers.emplace_back(file);
  }
  auto master = root.ReadLink(absl::StrCat(directory, "/master"));
  if (master.ok())
    facts.uppers.push_back(master->substr(master->rfind('/') + 1));
  auto number = [&](absl::string_view file, int64_t& value) {
    const std::string text = ReadText(root, absl::StrCat(directory, file));
    const bool is_hex = absl::StartsWith(text, "0x");
    int64_t read = 0;
    if (!(is_hex ? absl::SimpleHexAtoi(text, &read)
                 : absl::SimpleAtoi(text, &read))) {
      return false;
    }
    value = read;
    return true;
  };
  int64_t index = 0;
  int64_t link = 0;
  facts.known = number("/ifindex", index);
  facts.known = number("/type", facts.type) || facts.known;
  facts.known = number("/flags", facts.flags) || facts.known;
  if (index != 0) facts.index = index;
  if (number("/iflink", link)) facts.link = link;
  for (absl::string_view line : absl::StrSplit(
           ReadText(root, absl::StrCat(directory, "/uevent")), '\n')) {
    if (absl::ConsumePrefix(&line, "DEVTYPE=")) facts.kind = std::string(line);
  }
  return facts;
}

std::vector<bool> Interfaces::Counted(const std::vector<InterfaceCounters>& all,
                                      absl::Duration now) {
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const InterfaceCounters& one : all) names.push_back(one.name);
  {
    absl::MutexLock lock(&mutex_);
    if (names == names_ && now - found_out_ < kHolds) return counted_;
  }
  // A host has few interfaces with hardware and may have hundreds without, of
  // which no more need be known then.
  const bool has_sysfs = root_.Exists("/sys/devices/virtual/net") ||
                         root_.Exists("/sys/class/net");
  std::vector<InterfaceFacts> facts;
  facts.reserve(names.size());
  bool has_hardware = false;
  for (const std::string& name : names) {
    facts.push_back(ReadInterface(root_, name, false));
    if (!has_sysfs) facts.back().is_virtual = true;
    has_hardware = has_hardware || !facts.back().is_virtual;
  }
  for (InterfaceFacts& one : facts) {
    if (!has_sysfs || (has_hardware && one.is_virtual)) continue;
    one = ReadInterface(root_, one.name, true);
  }
  std::vector<bool> counted = CountedInterfaces(facts);
  absl::MutexLock lock(&mutex_);
  counted_ = counted;
  names_ = std::move(names);
  found_out_ = now;
  return counted;
}

}  // namespace specula::agent
