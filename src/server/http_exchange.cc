#include "server/http_exchange.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

namespace sluice {
namespace {

constexpr auto kFarewell = std::chrono::seconds(2);
constexpr size_t kReadBytes = 64 << 10;

int milliseconds_until(HttpSocket::Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - HttpSocket::Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30));
}

// poll() that takes up again after signals; 0 at the deadline.
int poll_until(std::span<pollfd> waiting, HttpSocket::Clock::time_point deadline) {
  while (true) {
    const int ready = poll(waiting.data(), waiting.size(), milliseconds_until(deadline));
    if (ready >= 0 || errno != EINTR) return ready;
  }
}

}  // namespace

HttpSocket::Ready HttpSocket::read(std::string& buffer, Clock::time_point deadline) const {
  std::array<pollfd, 2> waiting{{{descriptor_, POLLIN, 0}, {stop_descriptor_, POLLIN, 0}}};
  const int ready = poll_until(waiting, deadline);
  if (ready == 0) return Ready::kTimeout;
  if (ready < 0) return Ready::kClosed;
  if (waiting[1].revents != 0) return Ready::kStopping;
  std::array<char, kReadBytes> bytes;
  ssize_t count = 0;
  do {
    count = recv(descriptor_, bytes.data(), bytes.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count <= 0) return Ready::kClosed;
  buffer.append(bytes.data(), static_cast<size_t>(count));
  return Ready::kYes;
}

bool HttpSocket::write(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
    std::array<pollfd, 1> waiting{{{descriptor_, POLLOUT, 0}}};
    if (poll_until(waiting, Clock::now() + write_timeout_) <= 0) return false;
    if ((waiting[0].revents & (POLLERR | POLLHUP)) != 0) return false;
  }
  return true;
}

HttpSocket::Ready HttpSocket::wait_for(int other) const {
  std::array<pollfd, 3> waiting{
      {{other, POLLIN, 0}, {descriptor_, POLLRDHUP, 0}, {stop_descriptor_, POLLIN, 0}}};
  while (poll(waiting.data(), waiting.size(), -1) < 0) {
    if (errno != EINTR) return Ready::kClosed;
  }
  if (waiting[1].revents != 0) return Ready::kClosed;
  if (waiting[2].revents != 0) return Ready::kStopping;
  return Ready::kYes;
}

void HttpSocket::close_gently() const {
  shutdown(descriptor_, SHUT_WR);
  const auto deadline = Clock::now() + kFarewell;
  std::string ignored;
  while (Clock::now() < deadline && read(ignored, deadline) == Ready::kYes) ignored.clear();
}

void HttpExchange::add_header(std::string name, std::string value) {
  headers_.push_back({std::move(name), std::move(value)});
}

void HttpExchange::answer(HttpResponse response) {
  status_ = response.status;
  keep_alive_ = request_.keep_alive;
  response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
  std::string bytes = http_head(response, BodyFraming::kLength, keep_alive_);
  if (request_.method != "HEAD") bytes += response.body;
  state_ = socket_.write(bytes) ? State::kDone : State::kBroken;
}

void HttpExchange::begin(HttpResponse response) {
  status_ = response.status;
  framing_ = request_.chunked_answer ? BodyFraming::kChunked : BodyFraming::kClose;
  keep_alive_ = request_.keep_alive && framing_ == BodyFraming::kChunked;
  response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
  state_ = socket_.write(http_head(response, framing_, keep_alive_)) ? State::kStreaming : State::kBroken;
}

bool HttpExchange::write(std::string_view data) {
  if (state_ != State::kStreaming) return false;
  if (data.empty()) return true;
  const bool written =
      framing_ == BodyFraming::kChunked ? socket_.write(http_chunk(data)) : socket_.write(data);
  if (!written) state_ = State::kBroken;
  return written;
}

void HttpExchange::end() {
  if (state_ != State::kStreaming) return;
  const bool written = framing_ != BodyFraming::kChunked || socket_.write(kLastHttpChunk);
  state_ = written ? State::kDone : State::kBroken;
}

HttpExchange::Wait HttpExchange::wait(int descriptor) const {
  switch (socket_.wait_for(descriptor)) {
    case HttpSocket::Ready::kYes:
      return Wait::kReady;
    case HttpSocket::Ready::kStopping:
      return Wait::kStopping;
    case HttpSocket::Ready::kClosed:
    case HttpSocket::Ready::kTimeout:
      break;
  }
  return Wait::kClientGone;
}

}  // namespace sluice
