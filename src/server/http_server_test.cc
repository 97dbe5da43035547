#include "server/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

namespace sluice {
namespace {

using ::testing::HasSubstr;

// A connected client.
class Client {
 public:
  explicit Client(uint16_t port) : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(descriptor_); }

  void send(const std::string& bytes) const {
    EXPECT_EQ(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Everything until the server closes.
  std::string read() const {
    std::string seen;
    char buffer[4096];
    for (ssize_t count = 0; (count = recv(descriptor_, buffer, sizeof(buffer), 0)) > 0;) {
      seen.append(buffer, static_cast<size_t>(count));
    }
    return seen;
  }

 private:
  int descriptor_;
};

class Serving {
 public:
  explicit Serving(HttpServer::Handler handler, HttpServerOptions options = {}) {
    options.port = 0;
    server_ = std::move(HttpServer::listen(std::move(options), std::move(handler)).value());
    thread_ = std::jthread([this](const std::stop_token& stop) { server_->serve(stop); });
  }
  uint16_t port() const { return server_->port(); }
  // Returns when all connections have ended.
  void stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }
  ~Serving() { stop(); }

 private:
  std::unique_ptr<HttpServer> server_;
  std::jthread thread_;
};

const std::string kGet = "GET /x HTTP/1.1\r\nConnection: close\r\n\r\n";

TEST(HttpServer, AnswersManyClientsAtOnce) {
  Serving serving([](HttpExchange& exchange) { exchange.answer({.body = exchange.request().path}); });
  std::vector<std::jthread> clients;
  std::atomic<int> right = 0;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] {
      for (int j = 0; j < 4; ++j) {
        const Client client(serving.port());
        client.send(kGet);
        if (client.read().ends_with("\r\n\r\n/x")) ++right;
      }
    });
  }
  clients.clear();
  EXPECT_EQ(right, 64);
}

TEST(HttpServer, AHandlerThatDoesNotAnswerIsAnError) {
  Serving serving([](HttpExchange&) {});
  const Client client(serving.port());
  client.send(kGet);
  EXPECT_THAT(client.read(), HasSubstr("HTTP/1.1 500 "));
}

TEST(HttpServer, StreamsChunksAndBreaksOffOnlyWithoutTheLast) {
  Serving serving([](HttpExchange& exchange) {
    exchange.begin({.content_type = "text/plain"});
    exchange.write("abc");
    if (exchange.request().path == "/x") exchange.end();
  });
  const Client whole(serving.port()), broken(serving.port());
  whole.send(kGet);
  EXPECT_TRUE(whole.read().ends_with("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
  broken.send("GET /y HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(broken.read().ends_with("\r\n\r\n3\r\nabc\r\n"));
}

// A handler that waits for something that never comes.
class Waiting {
 public:
  Waiting() : never_(eventfd(0, EFD_CLOEXEC)) {}
  ~Waiting() { close(never_); }
  HttpServer::Handler handler() {
    return [this](HttpExchange& exchange) {
      began_.set_value();
      ended_.set_value(exchange.wait(never_));
      exchange.answer({.status = 503});
    };
  }
  void until_begun() { began_.get_future().wait(); }
  HttpExchange::Wait end() { return ended_.get_future().get(); }

 private:
  int never_;
  std::promise<void> began_;
  std::promise<HttpExchange::Wait> ended_;
};

TEST(HttpServer, AWaitEndsWhenTheClientLeaves) {
  Waiting waiting;
  Serving serving(waiting.handler());
  {
    const Client client(serving.port());
    client.send(kGet);
    waiting.until_begun();
  }
  EXPECT_EQ(waiting.end(), HttpExchange::Wait::kClientGone);
}

TEST(HttpServer, AWaitEndsWhenTheServerStops) {
  Waiting waiting;
  Serving serving(waiting.handler());
  const Client client(serving.port()), idle(serving.port());
  client.send(kGet);
  waiting.until_begun();
  serving.stop();
  EXPECT_EQ(waiting.end(), HttpExchange::Wait::kStopping);
  EXPECT_THAT(client.read(), HasSubstr("HTTP/1.1 503 "));
  EXPECT_EQ(idle.read(), "");
}

TEST(HttpServer, SaysWhichAddressIsTaken) {
  Serving serving([](HttpExchange&) {});
  HttpServerOptions options;
  options.port = serving.port();
  const auto second = HttpServer::listen(options, [](HttpExchange&) {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kIo);
  EXPECT_THAT(second.error().message, HasSubstr("127.0.0.1 port " + std::to_string(serving.port())));
}

}  // namespace
}  // namespace sluice
