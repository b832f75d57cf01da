#include "shim/session.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/clock.h"
#include "shim/frame.h"
#include "shim/peer.h"
#include "shim/reply.h"

namespace specula::shim {
namespace {

using boost::asio::awaitable;

constexpr size_t kMostStreams = 16;
// Beyond either no request is read.
constexpr size_t kMostOpenReplies = 64;
constexpr size_t kMostReplyBytes = 64 << 10;
// The same of EXECs that are answered by a summary: one of them may take long
// and can only be ended by a STOP that is read.
constexpr size_t kMostOpenEndings = 1024;

// What a connection takes, about.
constexpr size_t kSessionBytes = 8 << 10;

// After the last answer: for a peer to take it, and to stop sending, as bytes
// that nobody has read would make a reset of our end and lose the answer.
constexpr absl::Duration kLeaveWithin = absl::Seconds(10);
constexpr absl::Duration kLingerWithin = absl::Seconds(1);
constexpr size_t kMostLingerBytes = 4 << 20;

// While nothing is read: how often is looked for the peer, and after a
// half-close how long nothing was sent before it is asked by an empty chunk,
// where looking tells nothing.
constexpr absl::Duration kLookInterval = absl::Seconds(1);
constexpr absl::Duration kQuiet = absl::Seconds(5);

// What was ended from here, by TERM.
constexpr int kStopped = 128 + 15;
// What nobody knows the end of.
constexpr int kNoResult = 255;

}  // namespace

Session::Session(const Context& context, std::unique_ptr<Wire> wire,
                 std::string source, ExecReply exec_reply)
    : context_(context),
      wire_(std::move(wire)),
      source_(std::move(source)),
      exec_reply_(exec_reply),
      begin_(MonotonicNow()),
      dialogue_(context.tokens),
      frame_memory_(context.frames, [this] { OnFrameTooMuch(); }),
      replies_([this](const std::string& reply) { outbox_.PutAnswer(reply); }),
      endings_([this](const std::string& reply) { outbox_.PutAnswer(reply); }),
      changed_(context.loop),
      outbox_(
          context.loop, *wire_, context.outboxes, [this] { changed_.Notify(); },
          [this] { Vanish(); }, [this] { OnOutboxTooMuch(); }),
      deadline_(context.loop),
      frame_deadline_(context.loop) {
  // Strangers of one source are one.
  frame_memory_.SetOwner(source_);
  outbox_.SetOwner(source_);
}

awaitable<void> Session::Run() {
  const auto self = shared_from_this();
  CloseUnless(context_.auth_timeout, /*authenticated=*/true);
  const auto error = co_await wire_->Handshake();
  if (error) Vanish();
  co_await Serve();
  co_await AwaitEnd();
  if (phase_ != Phase::kGone) co_await Linger();
  Vanish();
}

void Session::CloseUnless(absl::Duration within, bool authenticated) {
  deadline_.expires_after(absl::ToChronoNanoseconds(within));
  deadline_.async_wait([weak = weak_from_this(),
                        authenticated](const boost::system::error_code& error) {
    const auto self = error ? nullptr : weak.lock();
    if (self == nullptr ||
        (authenticated && self->dialogue_.holder() != nullptr))
      return;
    self->Vanish();
  });
}

awaitable<void> Session::Serve() {
  while (phase_ == Phase::kOpen) {
    Flush();
    size_t size = 0;
    const auto error = co_await wire_->Read(boost::asio::buffer(buffer_), size);
    if (phase_ != Phase::kOpen) break;
    if (error && error != boost::asio::error::eof) {
      Vanish();
    } else if (error) {
      phase_ = Phase::kClosed;
      // There is nothing left to be lost by a frame that is not whole.
      if (dialogue_.holder() != nullptr && dialogue_.is_cut()) {
        Answer(ErrorReply(Error::kBadFrame));
      }
    } else {
      co_await TakeFrames(absl::string_view(buffer_.data(), size));
    }
  }
  Flush();
}

// The bytes before those that are left have been answered, or have their place
// among the answers.
awaitable<void> Session::TakeFrames(absl::string_view bytes) {
  bool another = false;
  while (phase_ == Phase::kOpen) {
    while (MustPause()) co_await AwaitChange();
    if (phase_ != Phase::kOpen) break;
    const Dialogue::Step step = dialogue_.Next(bytes);
    if (step.kind == Dialogue::Kind::kMore) {
      WatchFrame(another);
      co_return;
    }
    another = true;
    if (frame_clock_ == FrameClock::kRuns) WatchFrame(another);
    switch (step.kind) {
      case Dialogue::Kind::kMore:
        break;
      case Dialogue::Kind::kDo: {
        context_.trimmer.Touch(step.command.text.size());
        std::shared_ptr<Translator::Turn> turn = Await(step.command);
        while (phase_ == Phase::kOpen && turn != nullptr && !turn->has_come()) {
          co_await AwaitChange();
        }
        if (phase_ == Phase::kOpen) Obey(step.command, std::move(turn));
        break;
      }
      case Dialogue::Kind::kRefuse:
        Answer(ErrorReply(step.error));
        break;
      case Dialogue::Kind::kLetIn:
        LetIn();
        break;
      case Dialogue::Kind::kTurnOut:
        co_await WaitOutFailure();
        if (phase_ == Phase::kOpen) Leave(step.error);
        break;
      case Dialogue::Kind::kBreak:
        Leave(step.error);
        break;
    }
  }
}

awaitable<void> Session::AwaitChange() {
  Flush();
  co_await changed_.Wait(kLookInterval);
  if (phase_ == Phase::kOpen && IsTimeToLook() &&
      StateOfPeer(wire_->socket().native_handle()) == PeerState::kGone) {
    Vanish();
  }
}

awaitable<void> Session::Pause(absl::Duration pause) {
  const absl::Duration end = MonotonicNow() + pause;
  while (phase_ == Phase::kOpen && MonotonicNow() < end) {
    Flush();
    co_await changed_.Wait(end - MonotonicNow());
  }
}

std::shared_ptr<Translator::Turn> Session::Await(const Command& command) {
  const bool is_stream =
      command.verb == Verb::kExec || command.verb == Verb::kTail;
  if (is_stream && streams_.size() >= kMostStreams) return nullptr;
  return context_.translator.Await(command, who_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->changed_.Notify();
  });
}

void Session::WatchFrame(bool another) {
  const bool is_cut = dialogue_.is_cut();
  frame_memory_.Set(dialogue_.held_bytes(), MonotonicNow());
  if (frame_clock_ == FrameClock::kRuns && (another || !is_cut)) {
    frame_clock_ = FrameClock::kStands;
    frame_deadline_.cancel();
  }
  if (!is_cut || frame_clock_ == FrameClock::kRuns) return;
  frame_clock_ = FrameClock::kRuns;
  frame_deadline_.expires_after(
      absl::ToChronoNanoseconds(context_.frame_timeout));
  frame_deadline_.async_wait(
      [weak = weak_from_this()](const boost::system::error_code& cancelled) {
        const auto self = cancelled ? nullptr : weak.lock();
        if (self != nullptr && self->dialogue_.is_cut()) {
          self->BreakOff(Error::kTooSlow);
        }
      });
}

void Session::BreakOff(Error error) {
  if (phase_ != Phase::kOpen) return;
  context_.trimmer.Touch(dialogue_.held_bytes());
  dialogue_.Forget();
  frame_memory_.Set(0, MonotonicNow());
  Leave(error);
  changed_.Notify();
  Flush();
  // The read that is out ends with the next byte. Where none comes it is ended,
  // but not at once: what came after that would make a reset of our end.
  deadline_.expires_after(absl::ToChronoNanoseconds(kLingerWithin));
  deadline_.async_wait(
      [weak = weak_from_this()](const boost::system::error_code& cancelled) {
        if (const auto self = cancelled ? nullptr : weak.lock()) {
          self->wire_->StopReading();
        }
      });
}

void Session::OnFrameTooMuch() {
  boost::asio::post(context_.loop, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr || self->phase_ != Phase::kOpen) return;
    self->context_.evictions(
        LogLevel::kWarning,
        "unfinished requests take too much memory; a connection is closed",
        {{"controller", self->who_}, {"source", self->source_}});
    self->BreakOff(Error::kBusy);
  });
}

void Session::OnOutboxTooMuch() {
  boost::asio::post(context_.loop, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr || self->phase_ == Phase::kGone) return;
    self->context_.evictions(
        LogLevel::kWarning,
        "what is not read takes too much memory; a connection is closed",
        {{"controller", self->who_}, {"source", self->source_}});
    self->Vanish();
  });
}

void Session::LetIn() {
  deadline_.cancel();
  who_ = absl::StrCat(dialogue_.holder()->name, " from ", source_);
  frame_memory_.SetOwner(who_);
  outbox_.SetOwner(who_);
  context_.admissions(LogLevel::kInfo, "a controller came in",
                      {{"source", source_},
                       {"token", dialogue_.holder()->name},
                       {"role", RoleName(dialogue_.holder()->role)}});
  Answer(std::string(kAuthReply));
}

awaitable<void> Session::WaitOutFailure() {
  const absl::Duration now = MonotonicNow();
  context_.refusals(LogLevel::kWarning, "a token was refused",
                    {{"source", source_}});
  absl::Duration penalty = context_.penalties.Fail(source_, now);
  if (dialogue_.holder() == nullptr) {
    // It is no way to stay longer than without a word.
    penalty = std::min(penalty, begin_ + context_.auth_timeout - now);
  }
  waits_out_ = true;
  deadline_.cancel();
  co_await Pause(penalty);
}

void Session::Obey(const Command& command,
                   std::shared_ptr<Translator::Turn> turn) {
  switch (command.verb) {
    case Verb::kExec:
    case Verb::kTail:
      Begin(command, std::move(turn));
      return;
    case Verb::kStop:
      Stop(command.number);
      return;
    case Verb::kBye:
      phase_ = Phase::kLeaving;
      CancelStreams(/*pending_too=*/false);
      Answer(std::string(kByeReply));
      return;
    default:
      break;
  }
  if (turn == nullptr) {
    Answer(ErrorReply(Error::kBusy));
    return;
  }
  const Lane::Ticket ticket = replies_.Take();
  obeying_ = true;
  context_.translator.Ask(command, dialogue_.holder()->name, std::move(turn),
                          [weak = weak_from_this(), ticket](std::string reply) {
                            const auto self = weak.lock();
                            if (self == nullptr || self->phase_ == Phase::kGone)
                              return;
                            self->replies_.Fill(ticket, std::move(reply));
                            if (self->obeying_)
                              return;  // sent with those of the next frames
                            self->changed_.Notify();
                            self->Flush();
                          });
  obeying_ = false;
}

void Session::Answer(std::string reply) {
  replies_.Fill(replies_.Take(), std::move(reply));
}

void Session::Leave(Error error) {
  phase_ = Phase::kLeaving;
  CancelStreams(/*pending_too=*/false);
  Answer(ErrorReply(error));
}

void Session::Begin(const Command& command,
                    std::shared_ptr<Translator::Turn> turn) {
  const int64_t sid = ++last_sid_;
  Stream stream;
  stream.summary =
      command.verb == Verb::kExec && exec_reply_ == ExecReply::kSummary;
  Lane& lane = stream.summary ? endings_ : replies_;
  stream.ticket = lane.Take();
  if (turn != nullptr) {
    StreamEvents events;
    const auto weak = weak_from_this();
    events.opened = [weak, sid] {
      if (const auto self = weak.lock()) self->OnOpened(sid);
    };
    events.chunk = [weak, sid](std::string bytes) {
      if (const auto self = weak.lock()) self->OnChunk(sid, std::move(bytes));
    };
    events.ended = [weak, sid](const StreamEnding& ending) {
      if (const auto self = weak.lock()) self->OnEnded(sid, ending);
    };
    stream.remote = context_.translator.Open(
        command, dialogue_.holder()->name, std::move(turn), std::move(events));
  }
  if (stream.remote == nullptr) {
    lane.Fill(stream.ticket, ErrorReply(Error::kBusy));
    return;
  }
  streams_.emplace(sid, std::move(stream));
}

void Session::Stop(int64_t sid) {
  const auto found = streams_.find(sid);
  if (found == streams_.end()) {
    Answer(ErrorReply(Error::kStopFailed));
    return;
  }
  found->second.stopped = true;
  found->second.remote->Cancel();
  Answer(std::string(kStopReply));
}

void Session::OnOpened(int64_t sid) {
  const auto found = streams_.find(sid);
  if (found == streams_.end()) return;
  found->second.opened = true;
  if (!found->second.summary) {
    replies_.Fill(found->second.ticket, std::nullopt);
  }
  if (phase_ == Phase::kLeaving) CancelStreams(/*pending_too=*/false);
  changed_.Notify();
  Flush();
}

void Session::OnChunk(int64_t sid, std::string bytes) {
  const auto found = streams_.find(sid);
  if (found == streams_.end()) return;
  if (phase_ == Phase::kLeaving) {
    // Told before its opening, as may be.
    OnOpened(sid);
    return;
  }
  const std::shared_ptr<AgentStream>& remote = found->second.remote;
  context_.trimmer.Touch(bytes.size());
  if (found->second.summary) {
    remote->Continue();
    return;
  }
  absl::string_view rest = bytes;
  while (rest.size() > kMostChunkBytes) {
    outbox_.PutPiece({.header = OutHeader(sid, kMostChunkBytes),
                      .body = std::string(rest.substr(0, kMostChunkBytes))});
    rest.remove_prefix(kMostChunkBytes);
  }
  if (rest.size() < bytes.size()) bytes = std::string(rest);
  std::string header = OutHeader(sid, bytes.size());
  outbox_.PutPiece({.header = std::move(header),
                    .body = std::move(bytes),
                    .next = [weak = std::weak_ptr<AgentStream>(remote)] {
                      if (const auto stream = weak.lock()) stream->Continue();
                    }});
  Flush();
}

void Session::OnEnded(int64_t sid, const StreamEnding& ending) {
  const auto found = streams_.find(sid);
  if (found == streams_.end()) return;
  const Stream stream = std::move(found->second);
  streams_.erase(found);
  Lane& lane = stream.summary ? endings_ : replies_;
  const int exit_code =
      ending.exit_code.value_or(stream.stopped ? kStopped : kNoResult);
  if (ending.refused.has_value() && !stream.stopped) {
    lane.Fill(stream.ticket, ErrorReply(*ending.refused));
  } else if (phase_ == Phase::kLeaving) {
    lane.Fill(stream.ticket, std::nullopt);
  } else if (stream.summary) {
    lane.Fill(stream.ticket, ExecEndReply(exit_code));
  } else {
    lane.Fill(stream.ticket, std::nullopt);
    // Behind its chunks.
    Outbox::Piece end;
    AppendFrame(OutEndReply(sid, exit_code), end.header);
    outbox_.PutPiece(std::move(end));
  }
  changed_.Notify();
  Flush();
}

void Session::CancelStreams(bool pending_too) {
  for (auto it = streams_.begin(); it != streams_.end();) {
    const Stream& stream = it->second;
    if (!stream.opened && !pending_too) {
      ++it;
      continue;
    }
    (stream.summary ? endings_ : replies_).Fill(stream.ticket, std::nullopt);
    stream.remote->Cancel();
    it = streams_.erase(it);
  }
  outbox_.DropPieces();
}

awaitable<void> Session::AwaitEnd() {
  if (phase_ == Phase::kLeaving) {
    CloseUnless(kLeaveWithin, /*authenticated=*/false);
  }
  while (!IsDone()) {
    Flush();
    const bool looks = phase_ == Phase::kClosed && !streams_.empty();
    co_await changed_.Wait(looks ? kLookInterval : absl::InfiniteDuration());
    if (looks) LookForPeer();
  }
}

bool Session::IsTimeToLook() {
  const absl::Duration now = MonotonicNow();
  if (now < next_look_) return false;
  next_look_ = now + kLookInterval;
  return true;
}

void Session::LookForPeer() {
  if (streams_.empty() || !IsTimeToLook()) return;
  switch (StateOfPeer(wire_->socket().native_handle())) {
    case PeerState::kThere:
      return;
    case PeerState::kGone:
      Vanish();
      return;
    case PeerState::kUnknown:
      break;
  }
  if (outbox_.quiet_for() < kQuiet) return;
  for (const auto& [sid, stream] : streams_) {
    if (stream.summary) continue;
    // A host whose socket is closed answers it with a reset.
    outbox_.PutPiece({.header = OutHeader(sid, 0)});
    return;
  }
}

awaitable<void> Session::Linger() {
  waits_out_ = true;
  CloseUnless(kLingerWithin, /*authenticated=*/false);
  co_await wire_->Finish();
  size_t taken = 0;
  boost::system::error_code error;
  while (!error && phase_ != Phase::kGone && taken < kMostLingerBytes) {
    taken += co_await wire_->socket().async_read_some(
        boost::asio::buffer(buffer_),
        boost::asio::redirect_error(boost::asio::use_awaitable, error));
  }
}

bool Session::GiveWay() {
  if (!waits_out_ || phase_ == Phase::kGone) return false;
  if (phase_ == Phase::kOpen) {
    Leave(Error::kUnauthorized);
    Flush();
  }
  Vanish();
  return true;
}

void Session::Drain() {
  if (phase_ != Phase::kOpen && phase_ != Phase::kClosed) return;
  phase_ = Phase::kClosed;
  for (auto& [sid, stream] : streams_) {
    stream.stopped = true;
    stream.remote->Cancel();
  }
  wire_->StopReading();
  changed_.Notify();
}

void Session::Vanish() {
  if (phase_ == Phase::kGone) return;
  phase_ = Phase::kGone;
  CancelStreams(/*pending_too=*/true);
  deadline_.cancel();
  frame_deadline_.cancel();
  context_.trimmer.Touch(kSessionBytes + dialogue_.held_bytes() +
                         outbox_.held_bytes());
  outbox_.Close();
  wire_->Close();
  changed_.Notify();
}

bool Session::MustPause() const {
  return phase_ == Phase::kOpen && (replies_.open_count() >= kMostOpenReplies ||
                                    endings_.open_count() >= kMostOpenEndings ||
                                    outbox_.bytes() >= kMostReplyBytes);
}

bool Session::IsDone() const {
  if (phase_ == Phase::kGone) return true;
  return replies_.open_count() == 0 && endings_.open_count() == 0 &&
         streams_.empty() && outbox_.is_empty();
}

}  // namespace specula::shim
