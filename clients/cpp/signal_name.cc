#include "clients/cpp/signal_name.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/base/format.h"

namespace specula {
namespace {

struct Named {
  int number;
  absl::string_view name;
};

// As signal(7) has them; where there are two names the first is shown.
constexpr Named kSignals[] = {
    {1, "HUP"},   {2, "INT"},     {3, "QUIT"},    {4, "ILL"},   {5, "TRAP"},
    {6, "ABRT"},  {6, "IOT"},     {7, "BUS"},     {8, "FPE"},   {9, "KILL"},
    {10, "USR1"}, {11, "SEGV"},   {12, "USR2"},   {13, "PIPE"}, {14, "ALRM"},
    {15, "TERM"}, {16, "STKFLT"}, {17, "CHLD"},   {17, "CLD"},  {18, "CONT"},
    {19, "STOP"}, {20, "TSTP"},   {21, "TTIN"},   {22, "TTOU"}, {23, "URG"},
    {24, "XCPU"}, {25, "XFSZ"},   {26, "VTALRM"}, {27, "PROF"}, {28, "WINCH"},
    {29, "IO"},   {29, "POLL"},   {30, "PWR"},    {31, "SYS"}};

// The C library keeps the kernel's first two real-time signals for itself.
constexpr int kRtMin = 34;
constexpr int kRtMax = 64;

// SimpleAtoi takes a sign and blanks as well.
bool IsNumber(absl::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("0123456789") == absl::string_view::npos;
}

}  // namespace

std::string SignalName(int signal) {
  for (const Named& named : kSignals) {
    if (named.number == signal) return std::string(named.name);
  }
  if (signal == kRtMin) return "RTMIN";
  if (signal > kRtMin && signal <= kRtMax) {
    return absl::StrCat("RTMIN+", signal - kRtMin);
  }
  return absl::StrCat(signal);
}

absl::StatusOr<int> ParseSignal(absl::string_view text) {
  const std::string upper = absl::AsciiStrToUpper(text);
  absl::string_view rest = upper;
  absl::ConsumePrefix(&rest, "SIG");
  for (const Named& named : kSignals) {
    if (named.name == rest) return named.number;
  }
  const bool from_min = absl::ConsumePrefix(&rest, "RTMIN");
  const bool from_max = !from_min && absl::ConsumePrefix(&rest, "RTMAX");
  int number = 0;
  bool valid = false;
  if (from_min || from_max) {
    valid =
        rest.empty() ||
        (absl::ConsumePrefix(&rest, from_min ? "+" : "-") && IsNumber(rest) &&
         absl::SimpleAtoi(rest, &number) && number <= kRtMax - kRtMin);
    number = from_min ? kRtMin + number : kRtMax - number;
  } else {
    valid = IsNumber(text) && absl::SimpleAtoi(text, &number);
  }
  if (valid && number >= 1 && number <= kRtMax) return number;
  return absl::InvalidArgumentError(absl::StrCat(
      "'", EscapeControls(text),
      "' is no signal; give a name such as TERM, HUP or RTMIN+1, or 1 to ",
      kRtMax));
}

}  // namespace specula
