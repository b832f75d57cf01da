#include "shim/wire.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace specula::shim {
namespace {

using boost::asio::redirect_error;
using boost::asio::use_awaitable;

std::array<boost::asio::const_buffer, 2> Buffers(absl::string_view first,
                                                 absl::string_view second) {
  return {boost::asio::buffer(first.data(), first.size()),
          boost::asio::buffer(second.data(), second.size())};
}

class PlainWire final : public Wire {
 public:
  explicit PlainWire(Socket socket) : socket_(std::move(socket)) {}

  Awaitable<ErrorCode> Handshake() override { co_return ErrorCode(); }

  Awaitable<ErrorCode> Read(boost::asio::mutable_buffer buffer,
                            size_t& size) override {
    ErrorCode error;
    size = co_await socket_.async_read_some(
        buffer, redirect_error(use_awaitable, error));
    co_return error;
  }

  Awaitable<ErrorCode> Write(absl::string_view first,
                             absl::string_view second) override {
    ErrorCode error;
    co_await boost::asio::async_write(socket_, Buffers(first, second),
                                      redirect_error(use_awaitable, error));
    co_return error;
  }

  size_t WriteNow(absl::string_view bytes) override {
    const ssize_t sent = send(socket_.native_handle(), bytes.data(),
                              bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }

  Awaitable<void> Finish() override {
    ErrorCode ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    co_return;
  }

  Socket& socket() override { return socket_; }

 private:
  Socket socket_;
};

class TlsWire final : public Wire {
 public:
  TlsWire(Socket socket, boost::asio::ssl::context& context)
      : stream_(std::move(socket), context) {}

  Awaitable<ErrorCode> Handshake() override {
    ErrorCode error;
    co_await stream_.async_handshake(boost::asio::ssl::stream_base::server,
                                     redirect_error(use_awaitable, error));
    co_return error;
  }

  Awaitable<ErrorCode> Read(boost::asio::mutable_buffer buffer,
                            size_t& size) override {
    // A connection that ends without TLS's own goodbye was cut and is not at
    // its end: that is stream_truncated, and stays so.
    ErrorCode error;
    size = co_await stream_.async_read_some(
        buffer, redirect_error(use_awaitable, error));
    co_return error;
  }

  Awaitable<ErrorCode> Write(absl::string_view first,
                             absl::string_view second) override {
    ErrorCode error;
    co_await boost::asio::async_write(stream_, Buffers(first, second),
                                      redirect_error(use_awaitable, error));
    co_return error;
  }

  size_t WriteNow(absl::string_view) override { return 0; }

  Awaitable<void> Finish() override {
    ErrorCode ignored;
    co_await stream_.async_shutdown(redirect_error(use_awaitable, ignored));
    stream_.next_layer().shutdown(Socket::shutdown_send, ignored);
  }

  Socket& socket() override { return stream_.next_layer(); }

 private:
  boost::asio::ssl::stream<Socket> stream_;
};

}  // namespace

void Wire::Close() {
  ErrorCode ignored;
  socket().close(ignored);
}

void Wire::StopReading() {
  ErrorCode ignored;
  socket().shutdown(Socket::shutdown_receive, ignored);
}

std::unique_ptr<Wire> MakePlainWire(Wire::Socket socket) {
  return std::make_unique<PlainWire>(std::move(socket));
}

std::unique_ptr<Wire> MakeTlsWire(Wire::Socket socket,
                                  boost::asio::ssl::context& context) {
  return std::make_unique<TlsWire>(std::move(socket), context);
}

}  // namespace specula::shim
