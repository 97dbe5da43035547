// One request and its answer, on a connection that may break at any time.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_message.h"

namespace sluice {

// A connected socket; does not own it. Every wait also ends when the server stops: `stop_descriptor` becomes
// readable then, and stays so.
class HttpSocket {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Ready { kYes, kTimeout, kStopping, kClosed };

  HttpSocket(int descriptor, int stop_descriptor, Clock::duration write_timeout)
      : descriptor_(descriptor), stop_descriptor_(stop_descriptor), write_timeout_(write_timeout) {}

  // Reads what is there into `buffer` (appends), or waits for it.
  Ready read(std::string& buffer, Clock::time_point deadline) const;
  // False when the client is gone, or takes nothing for the write timeout.
  bool write(std::string_view bytes) const;
  // Until `other` is readable. kClosed: the client has closed its side; what it still sends is not looked at.
  Ready wait_for(int other) const;
  // Ends the connection so that what was written last is not lost with what was not read: for a short time,
  // what still comes is thrown away.
  void close_gently() const;

 private:
  int descriptor_;
  int stop_descriptor_;
  Clock::duration write_timeout_;
};

// Answers once: with answer(), or with begin(), write() ... and end(). Used by one thread.
class HttpExchange {
 public:
  enum class Wait { kReady, kClientGone, kStopping };

  HttpExchange(const HttpRequest& request, const HttpSocket& socket) : request_(request), socket_(socket) {}

  const HttpRequest& request() const { return request_; }

  // A header for whatever the answer will be.
  void add_header(std::string name, std::string value);

  void answer(HttpResponse response);

  // An answer whose length is not known. Its body is what write() is given.
  void begin(HttpResponse response);
  // False when the client is gone.
  bool write(std::string_view data);
  void end();

  // Waits until a descriptor can be read, for as long as the client stays.
  Wait wait(int descriptor) const;

  int status() const { return status_; }  // of the answer
  bool answered() const { return state_ != State::kUnanswered; }
  // After the answer: another request may follow on the connection. Not when the answer broke off.
  bool reusable() const { return state_ == State::kDone && keep_alive_; }

 private:
  enum class State { kUnanswered, kStreaming, kDone, kBroken };

  const HttpRequest& request_;
  const HttpSocket& socket_;
  std::vector<HttpHeader> headers_;
  BodyFraming framing_ = BodyFraming::kLength;
  bool keep_alive_ = false;
  int status_ = 0;
  State state_ = State::kUnanswered;
};

}  // namespace sluice
