#ifndef SPECULA_SHIM_PEER_H_
#define SPECULA_SHIM_PEER_H_

namespace specula::shim {

// A peer that has closed its socket and one that is only done with sending look
// alike: both have sent a FIN, and which it was shows when something is sent to
// it. Of a socket on this very host the kernel can be asked.
enum class PeerState {
  kThere,    // somebody has it open
  kGone,     // nobody has
  kUnknown,  // on another host, or the kernel does not tell
};

// Looks for the other end of the connected TCP socket `fd`.
PeerState StateOfPeer(int fd);

}  // namespace specula::shim

#endif  // SPECULA_SHIM_PEER_H_
