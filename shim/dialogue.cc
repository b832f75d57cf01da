#include "shim/dialogue.h"

#include <optional>
#include <utility>
#include <variant>

namespace specula::shim {

Dialogue::Step Dialogue::Next(absl::string_view& bytes) {
  const auto role =
      holder_ == nullptr ? std::nullopt : std::optional<Role>(holder_->role);
  FrameReader::Event event = reader_.Read(bytes, MostRequestBytes(role));
  if (event == FrameReader::Event::kHead) {
    // No stranger's is as long.
    event = reader_.length() > MostRequestBytes(*role, reader_.head())
                ? FrameReader::Event::kTooLarge
                : reader_.Read(bytes, reader_.length());
  }
  switch (event) {
    case FrameReader::Event::kMore:
    case FrameReader::Event::kHead:
      return {.kind = Kind::kMore};
    case FrameReader::Event::kFrame:
      return Judge(reader_.TakePayload());
    case FrameReader::Event::kBadFrame:
      return {.kind = Kind::kBreak, .error = Error::kBadFrame};
    case FrameReader::Event::kTooLarge:
      return {.kind = Kind::kBreak, .error = Error::kTooLarge};
  }
  return {};
}

Dialogue::Step Dialogue::Judge(absl::string_view payload) {
  auto parsed = ParseCommand(payload);
  auto* command = std::get_if<Command>(&parsed);
  if (command != nullptr && command->verb == Verb::kAuth) {
    const TokenSet::Holder* holder = tokens_.Find(command->text);
    if (holder != nullptr) {
      holder_ = holder;
      return {.kind = Kind::kLetIn};
    }
    return {.kind = Kind::kTurnOut, .error = Error::kUnauthorized};
  }
  if (holder_ == nullptr) {
    return {.kind = Kind::kTurnOut, .error = Error::kUnauthorized};
  }
  if (command == nullptr) {
    return {.kind = Kind::kRefuse, .error = std::get<Error>(parsed)};
  }
  if (!Allows(holder_->role, command->verb)) {
    return {.kind = Kind::kRefuse, .error = Error::kDenied};
  }
  return {.kind = Kind::kDo, .command = std::move(*command)};
}

}  // namespace specula::shim
