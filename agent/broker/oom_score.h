#ifndef SPECULA_AGENT_BROKER_OOM_SCORE_H_
#define SPECULA_AGENT_BROKER_OOM_SCORE_H_

// The place of this process in the order in which the kernel kills when memory
// is short (oom_score_adj), which its children must not be born with: the
// unit's -500 would spare a hungry command, and the host's database would die
// in its place.
//
// No child can set its own before its exec. As long as it runs on the broker's
// memory the kernel gives both the same, so its 0 would become the broker's,
// and what the broker takes back would become the child's.
namespace specula::agent {

// While there is one, this process has oom_score_adj 0, and so has every child
// that is born meanwhile; at the end of the last one it takes its own back.
// Says once if the kernel does not allow that. From a single-threaded process
// only.
class NeutralOomScore {
 public:
  NeutralOomScore();
  ~NeutralOomScore();
  NeutralOomScore(const NeutralOomScore&) = delete;
};

// Gives a process that was forked from this one the score that this one has
// when no child is on its way. To be called in the fork, before it changes its
// user.
void TakeOwnOomScore();

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_OOM_SCORE_H_
