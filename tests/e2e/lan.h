#ifndef SPECULA_TESTS_E2E_LAN_H_
#define SPECULA_TESTS_E2E_LAN_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/harness.h"

namespace specula::testing {

// A network of its own for a test: machines, each a network namespace, on one
// switch (veth and a bridge). Nothing of it is outside of the namespaces, and
// it goes with the object, or with the test's process.
//
//   machine 0: 10.0.0.1, which also holds the switch
//   machine n: 10.0.0.(n+1)
class Lan {
 public:
  // Why there can be none here (no root, no namespaces); empty if there can.
  static std::string WhyNot();

  explicit Lan(int machines);

  static std::string Address(int machine);
  // The words before a program that run it on a machine.
  std::vector<std::string> On(int machine) const;

  // The machine's own interface, as `ip link set` takes it down: the machine
  // knows that it is alone. Not machine 0.
  void SetDown(int machine) const;
  void SetUp(int machine) const;
  // The cable at the switch: neither side is told, packets go nowhere.
  void Unplug(int machine) const;
  void Plug(int machine) const;

 private:
  void Ip(int machine, const std::vector<std::string>& arguments) const;

  // Each keeps its namespace for as long as it lives.
  std::vector<std::unique_ptr<Process>> keepers_;
};

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_LAN_H_
