#include "server/http_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <thread>

#include "base/fail.h"
#include "base/log.h"

namespace sluice {
namespace {

constexpr int kBacklog = 128;
constexpr int kOutOfDescriptorsPauseMs = 100;
constexpr const char* kTextType = "text/plain; charset=utf-8";

struct AddressList {
  addrinfo* first = nullptr;
  ~AddressList() {
    if (first != nullptr) freeaddrinfo(first);
  }
};

// A listening socket, or -1 with errno.
int listen_on(const addrinfo& address) {
  const int descriptor = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(descriptor, address.ai_addr, address.ai_addrlen) == 0 && ::listen(descriptor, kBacklog) == 0) {
    return descriptor;
  }
  const int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

uint16_t port_of(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(HttpServerOptions options, Handler handler) {
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(options), std::move(handler)));
  SLUICE_TRY(server->bind_address());
  return server;
}

Status HttpServer::bind_address() {
  stop_descriptor_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_descriptor_ < 0) return fail(ErrorCode::kIo, "no event descriptor: {}", errno_text(errno));
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE;
  AddressList addresses;
  const std::string port = std::to_string(options_.port);
  if (const int error = getaddrinfo(options_.host.c_str(), port.c_str(), &hints, &addresses.first);
      error != 0) {
    return fail(ErrorCode::kInvalidArgument, "host \"{}\": {}", options_.host, gai_strerror(error));
  }
  int error = 0;
  for (const addrinfo* each = addresses.first; each != nullptr; each = each->ai_next) {
    listener_ = listen_on(*each);
    if (listener_ >= 0) {
      port_ = port_of(listener_);
      return {};
    }
    error = errno;
  }
  return fail(ErrorCode::kIo, "cannot listen on {} port {}: {}", options_.host, options_.port,
              errno_text(error));
}

HttpServer::~HttpServer() {
  if (listener_ >= 0) close(listener_);
  if (stop_descriptor_ >= 0) close(stop_descriptor_);
}

std::string HttpServer::address() const {
  const bool v6 = options_.host.find(':') != std::string::npos;
  return fmt::format("http://{}:{}", v6 ? "[" + options_.host + "]" : options_.host, port_);
}

void HttpServer::serve(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    const uint64_t one = 1;
    while (write(stop_descriptor_, &one, sizeof(one)) < 0 && errno == EINTR) continue;
  });
  while (true) {
    std::array<pollfd, 2> waiting{{{listener_, POLLIN, 0}, {stop_descriptor_, POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) break;
    if (waiting[1].revents != 0) break;
    if (waiting[0].revents != 0) accept_one();
  }
  close(listener_);
  listener_ = -1;
  finish_connections();
}

void HttpServer::accept_one() {
  const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (descriptor < 0) {
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
    log_warn("a connection must wait: {}", errno_text(errno));
    pollfd waiting{stop_descriptor_, POLLIN, 0};
    poll(&waiting, 1, kOutOfDescriptorsPauseMs);
    return;
  }
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const std::lock_guard lock(mutex_);
  if (connections_.size() < options_.connections) {
    try {
      std::thread([this, descriptor] { run_connection(descriptor); }).detach();
      connections_.insert(descriptor);
      return;
    } catch (const std::system_error& error) {
      log_warn("a connection is turned away: {}", error.what());
    }
  }
  const HttpResponse busy{.status = 503,
                          .content_type = kTextType,
                          .headers = {{"Retry-After", "1"}},
                          .body = "Too many connections.\n"};
  const HttpSocket socket(descriptor, stop_descriptor_, std::chrono::seconds(0));
  socket.write(http_head(busy, BodyFraming::kLength, false) + busy.body);
  close(descriptor);
}

void HttpServer::run_connection(int descriptor) {
  answer_requests(descriptor);
  const std::lock_guard lock(mutex_);
  close(descriptor);
  connections_.erase(descriptor);
  ended_.notify_all();  // under the lock: afterwards this thread touches nothing of ours
}

void HttpServer::answer_requests(int descriptor) {
  using Clock = HttpSocket::Clock;
  const HttpSocket socket(descriptor, stop_descriptor_, options_.write_timeout);
  HttpParser parser(options_.limits);
  const auto refuse = [&](int status, const std::string& message) {
    HttpResponse refusal{.status = status, .content_type = kTextType, .body = message + "\n"};
    if (options_.describe) refusal = options_.describe(parser.request(), status, message);
    if (socket.write(http_head(refusal, BodyFraming::kLength, false) + refusal.body)) socket.close_gently();
  };
  std::string unread;
  Clock::time_point deadline = Clock::now() + options_.idle_timeout;
  while (true) {
    if (unread.empty()) {
      const bool idle = parser.idle();
      const auto ready = socket.read(unread, deadline);
      if (ready == HttpSocket::Ready::kTimeout && !idle) {
        refuse(408, "The request took too long to come.");
      }
      if (ready != HttpSocket::Ready::kYes) return;
      if (idle) deadline = Clock::now() + options_.request_timeout;
    }
    unread.erase(0, parser.push(unread));
    if (parser.state() == HttpParser::State::kRefused)
      return refuse(parser.refusal().status, parser.refusal().message);
    if (parser.state() != HttpParser::State::kComplete) {
      if (parser.expects_continue() && !socket.write("HTTP/1.1 100 Continue\r\n\r\n")) return;
      continue;
    }
    HttpExchange exchange(parser.request(), socket);
    handler_(exchange);
    if (!exchange.answered())
      exchange.answer({.status = 500, .content_type = kTextType, .body = "No answer.\n"});
    if (!exchange.reusable()) return socket.close_gently();
    parser.reset();
    deadline = Clock::now() + (unread.empty() ? options_.idle_timeout : options_.request_timeout);
  }
}

void HttpServer::finish_connections() {
  std::unique_lock lock(mutex_);
  const auto all_ended = [this] { return connections_.empty(); };
  if (ended_.wait_for(lock, options_.shutdown_timeout, all_ended)) return;
  for (const int descriptor : connections_) shutdown(descriptor, SHUT_RDWR);
  ended_.wait(lock, all_ended);
}

}  // namespace sluice
