#ifndef SPECULA_SHIM_WIRE_H_
#define SPECULA_SHIM_WIRE_H_

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstddef>
#include <memory>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/strings/string_view.h"

namespace specula::shim {

// The bytes of one connection, plain or inside TLS. Loop thread only; one read
// and one write may be out at a time.
class Wire {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using ErrorCode = boost::system::error_code;
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;

  virtual ~Wire() = default;

  // Whatever must be said before the first byte.
  virtual Awaitable<ErrorCode> Handshake() = 0;

  // Some bytes; how many is in `size`. boost::asio::error::eof: the peer sends
  // nothing more, but may still read.
  virtual Awaitable<ErrorCode> Read(boost::asio::mutable_buffer buffer,
                                    size_t& size) = 0;

  // All of both, in one go where that can be.
  virtual Awaitable<ErrorCode> Write(absl::string_view first,
                                     absl::string_view second) = 0;

  // What can be written without waiting, in bytes; perhaps 0. Not while a
  // Write is out.
  virtual size_t WriteNow(absl::string_view bytes) = 0;

  // Says that nothing follows. In TLS it waits for the peer to say so as well,
  // until Close.
  virtual Awaitable<void> Finish() = 0;

  virtual Socket& socket() = 0;

  // Ends all that is out with an error.
  void Close();

  // Ends a Read that is out, and all later ones, as if the peer were done.
  void StopReading();
};

std::unique_ptr<Wire> MakePlainWire(Wire::Socket socket);
// `context` need not outlive it: OpenSSL counts who uses what is in it.
std::unique_ptr<Wire> MakeTlsWire(Wire::Socket socket,
                                  boost::asio::ssl::context& context);

}  // namespace specula::shim

#endif  // SPECULA_SHIM_WIRE_H_
