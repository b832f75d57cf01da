#ifndef SPECULA_SHIM_SESSION_H_
#define SPECULA_SHIM_SESSION_H_

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/time/time.h"
#include "lib/base/log.h"
#include "shim/command.h"
#include "shim/dialogue.h"
#include "shim/event.h"
#include "shim/exec_reply.h"
#include "shim/holdings.h"
#include "shim/lane.h"
#include "shim/outbox.h"
#include "shim/penalty.h"
#include "shim/token.h"
#include "shim/translate.h"
#include "shim/trimmer.h"
#include "shim/wire.h"

namespace specula::shim {

// One connection, from accept to its end.
//
// Answers keep the order of requests. Output of streams goes between them as it
// comes, one chunk of each stream held here, two while all together hold
// little: when the peer is slow its own streams are paused, and when it does
// not read its answers no further requests are read. Once the peer is gone its
// streams are cancelled. A command waits for its turn among those of all
// controllers, and what stands behind it with it.
//
// Loop thread only. It lives as long as Run.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // What all sessions work with; must outlive them.
  struct Context {
    boost::asio::io_context& loop;
    Translator& translator;
    const TokenSet& tokens;
    Penalties& penalties;
    Holdings& frames;    // of all, those that are not whole
    Holdings& outboxes;  // what all have not taken yet
    Trimmer& trimmer;
    LimitedLog& refusals;
    LimitedLog& admissions;
    LimitedLog& evictions;
    absl::Duration auth_timeout;
    absl::Duration frame_timeout;
  };

  Session(const Context& context, std::unique_ptr<Wire> wire,
          std::string source, ExecReply exec_reply);

  // Serves to the end. Once.
  boost::asio::awaitable<void> Run();

  // Its source needs the place: if all it does is wait out a failure it ends
  // now. Whether it does.
  bool GiveWay();

  // Takes no more requests, ends the streams, lets the answers out and ends.
  void Drain();

  // Ends at once.
  void Abort() { Vanish(); }

 private:
  enum class Phase {
    kOpen,
    kClosed,   // the peer sends nothing more, or nothing more is taken
    kLeaving,  // a last answer, then the end
    kGone,
  };
  struct Stream {
    std::shared_ptr<AgentStream> remote;
    bool summary = false;
    bool opened = false;
    bool stopped = false;
    Lane::Ticket ticket = 0;
  };
  // The time of a frame that was begun.
  enum class FrameClock { kStands, kRuns };

  boost::asio::awaitable<void> Serve();
  boost::asio::awaitable<void> TakeFrames(absl::string_view bytes);
  // Waits for a change while nothing is read, so that the end of the peer would
  // not be seen, and looks for it.
  boost::asio::awaitable<void> AwaitChange();
  // Waits while there is a reason to go on afterwards.
  boost::asio::awaitable<void> Pause(absl::Duration pause);
  boost::asio::awaitable<void> WaitOutFailure();
  boost::asio::awaitable<void> AwaitEnd();
  boost::asio::awaitable<void> Linger();

  void CloseUnless(absl::Duration within, bool authenticated);
  void LetIn();
  // Lets the time of a frame run that was begun and is not whole, and says how
  // much memory it takes. `another`: it is not the one of before.
  void WatchFrame(bool another);
  // Ends with an error what goes on in the middle of a frame.
  void BreakOff(Error error);
  void OnFrameTooMuch();
  void OnOutboxTooMuch();
  // A turn that is null: kBusy.
  std::shared_ptr<Translator::Turn> Await(const Command& command);
  void Obey(const Command& command, std::shared_ptr<Translator::Turn> turn);
  void Answer(std::string reply);
  void Leave(Error error);
  void Begin(const Command& command, std::shared_ptr<Translator::Turn> turn);
  void Stop(int64_t sid);
  void OnOpened(int64_t sid);
  void OnChunk(int64_t sid, std::string bytes);
  void OnEnded(int64_t sid, const StreamEnding& ending);
  // Ends streams without a word; those that are not opened yet only if
  // `pending_too`, as they may yet be refused, which is an answer.
  void CancelStreams(bool pending_too);
  void Flush() { outbox_.Flush(shared_from_this()); }
  void Vanish();
  // Whether it is time to look for the peer again; then it takes note.
  bool IsTimeToLook();
  // After a half-close: whether somebody is still there.
  void LookForPeer();

  bool MustPause() const;
  bool IsDone() const;

  const Context context_;
  const std::unique_ptr<Wire> wire_;
  const std::string source_;
  const ExecReply exec_reply_;
  const absl::Duration begin_;
  Phase phase_ = Phase::kOpen;
  bool waits_out_ = false;  // a failure, or the last bytes of one
  bool obeying_ = false;    // in a call of Translator::Ask

  std::string who_;  // the controller: its token and its source
  Dialogue dialogue_;
  FrameClock frame_clock_ = FrameClock::kStands;
  Holdings::Member frame_memory_;
  std::array<char, 4096> buffer_;

  Lane replies_;  // what has its place among the answers
  Lane endings_;  // of EXECs that are answered by a summary
  int64_t last_sid_ = 0;
  std::map<int64_t, Stream> streams_;  // by sid

  absl::Duration next_look_ = absl::ZeroDuration();

  Event changed_;  // for Run's coroutine
  Outbox outbox_;
  boost::asio::steady_timer deadline_;
  boost::asio::steady_timer frame_deadline_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_SESSION_H_
