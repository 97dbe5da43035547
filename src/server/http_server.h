// Listens, and gives each request to a handler.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>

#include "server/http_exchange.h"
#include "server/http_parser.h"
#include "sluice/result.h"

namespace sluice {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;  // 0: any that is free
  HttpLimits limits;
  size_t connections = 128;                  // at once; more are turned away with 503
  std::chrono::seconds request_timeout{60};  // from a request's first byte to its last
  std::chrono::seconds idle_timeout{60};     // between two requests
  std::chrono::seconds write_timeout{30};    // without the client taking a byte
  // Puts what is wrong with a request that could not be read into the words of an API; may be empty.
  std::function<HttpResponse(const HttpRequest&, int status, const std::string& message)> describe;
  std::chrono::seconds shutdown_timeout{5};  // for answers that are being written when the server stops
};

// HTTP/1.1 without TLS. A thread for each connection, as many as `connections` allows.
class HttpServer {
 public:
  // Called on the connection's thread; must answer, or the client gets a 500.
  using Handler = std::function<void(HttpExchange&)>;

  // Binds the address. kIo, naming it, when that is not possible; kInvalidArgument for a host that has none.
  static Result<std::unique_ptr<HttpServer>> listen(HttpServerOptions options, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const { return port_; }
  // "http://127.0.0.1:8080"
  std::string address() const;

  // Serves until asked to stop; then no request is taken any more, waits of handlers end, and connections get
  // the shutdown timeout to finish. To be called once.
  void serve(const std::stop_token& stop);

 private:
  HttpServer(HttpServerOptions options, Handler handler)
      : options_(std::move(options)), handler_(std::move(handler)) {}
  Status bind_address();
  void accept_one();
  void run_connection(int descriptor);
  void answer_requests(int descriptor);
  void finish_connections();

  HttpServerOptions options_;
  Handler handler_;
  int listener_ = -1;
  int stop_descriptor_ = -1;  // readable once the server stops
  uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::set<int> connections_;  // guarded by mutex_
};

}  // namespace sluice
