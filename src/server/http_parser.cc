#include "server/http_parser.h"

#include <fmt/format.h>
#include <http_parser.h>

#include <algorithm>

namespace sluice {
namespace {

constexpr int kGoOn = 0;
constexpr int kStop = -1;  // 1 and 2 have meanings of their own after the headers

std::string lower_case(std::string text) {
  for (char& byte : text) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  }
  return text;
}

}  // namespace

struct HttpParser::Machine {
  explicit Machine(HttpLimits the_limits) : limits(the_limits) {
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = this;
  }

  void refuse(int status, const std::string& why) {
    if (state == State::kRefused) return;
    state = State::kRefused;
    refusal = {status, why};
  }

  int on_url(std::string_view piece) {
    url += piece;
    return kGoOn;
  }

  int on_header_name(std::string_view piece) {
    if (state != State::kHead) return kGoOn;  // after a chunked body: nobody asks for those
    if (in_value || request.headers.empty()) request.headers.emplace_back();
    in_value = false;
    request.headers.back().name += piece;
    return kGoOn;
  }

  int on_header_value(std::string_view piece) {
    if (state != State::kHead) return kGoOn;
    in_value = true;
    request.headers.back().value += piece;
    return kGoOn;
  }

  int on_head_complete() {
    for (HttpHeader& header : request.headers) header.name = lower_case(std::move(header.name));
    request.method = http_method_str(static_cast<http_method>(parser.method));
    request.path = url.substr(0, url.find('?'));
    request.chunked_answer = parser.http_major == 1 && parser.http_minor >= 1;
    request.keep_alive = http_should_keep_alive(&parser) != 0;
    if (parser.http_major != 1) {
      refuse(400, "This server speaks HTTP/1.1.");
      return kStop;
    }
    const bool has_length = (parser.flags & F_CONTENTLENGTH) != 0;
    if (has_length && parser.content_length > limits.body_bytes) {
      refuse_body();
      return kStop;
    }
    state = State::kBody;
    const std::string* expect = request.header("expect");
    continues = expect != nullptr && lower_case(*expect) == "100-continue" && parser.content_length != 0;
    return kGoOn;
  }

  int on_body(std::string_view piece) {
    continues = false;
    if (request.body.size() + piece.size() > limits.body_bytes) {
      refuse_body();
      return kStop;
    }
    request.body += piece;
    return kGoOn;
  }

  int on_complete() {
    state = State::kComplete;
    http_parser_pause(&parser, 1);  // what follows belongs to the next request
    return kGoOn;
  }

  void refuse_body() {
    refuse(413, fmt::format("The request's body has more than {} bytes.", limits.body_bytes));
  }

  HttpLimits limits;
  http_parser parser{};
  State state = State::kHead;
  HttpRequest request;
  HttpRefusal refusal;
  std::string url;
  size_t head_bytes = 0;
  bool in_value = false;  // the last header piece was of a value
  bool continues = false;
};

namespace {

template <class Machine, int (Machine::*kMethod)(std::string_view)>
int with_text(http_parser* parser, const char* data, size_t size) {
  return (static_cast<Machine*>(parser->data)->*kMethod)({data, size});
}

template <class Machine, int (Machine::*kMethod)()>
int without_text(http_parser* parser) {
  return (static_cast<Machine*>(parser->data)->*kMethod)();
}

template <class Machine>
http_parser_settings callbacks() {
  http_parser_settings settings;
  http_parser_settings_init(&settings);
  settings.on_url = with_text<Machine, &Machine::on_url>;
  settings.on_header_field = with_text<Machine, &Machine::on_header_name>;
  settings.on_header_value = with_text<Machine, &Machine::on_header_value>;
  settings.on_headers_complete = without_text<Machine, &Machine::on_head_complete>;
  settings.on_body = with_text<Machine, &Machine::on_body>;
  settings.on_message_complete = without_text<Machine, &Machine::on_complete>;
  return settings;
}

}  // namespace

HttpParser::HttpParser(HttpLimits limits) : machine_(std::make_unique<Machine>(limits)) {}
HttpParser::~HttpParser() = default;

size_t HttpParser::push(std::string_view bytes) {
  static const http_parser_settings settings = callbacks<Machine>();
  Machine& machine = *machine_;
  size_t taken = 0;
  while (taken < bytes.size() && (machine.state == State::kHead || machine.state == State::kBody)) {
    // No byte of the headers beyond their limit is looked at, however they arrive. Trailers and the heads of
    // chunks, which end up nowhere, the library limits.
    const bool in_head = machine.state == State::kHead;
    const size_t allowed_bytes = in_head ? machine.limits.header_bytes - machine.head_bytes : bytes.size();
    if (allowed_bytes == 0) {
      machine.refuse(
          431, fmt::format("The request's headers have more than {} bytes.", machine.limits.header_bytes));
      break;
    }
    const std::string_view step = bytes.substr(taken, allowed_bytes);
    const size_t parsed = http_parser_execute(&machine.parser, &settings, step.data(), step.size());
    taken += parsed;
    if (in_head) machine.head_bytes += parsed;
    const auto error = static_cast<http_errno>(machine.parser.http_errno);
    if (error == HPE_OK && machine.parser.upgrade == 0) continue;
    if (machine.state == State::kComplete && error == HPE_PAUSED) break;
    if (machine.parser.upgrade != 0) machine.refuse(400, "This server upgrades to nothing.");
    machine.refuse(400, fmt::format("This is no HTTP request: {}.", http_errno_description(error)));
  }
  return taken;
}

HttpParser::State HttpParser::state() const {
  return machine_->state;
}
bool HttpParser::expects_continue() const {
  return machine_->continues && machine_->state == State::kBody;
}
bool HttpParser::idle() const {
  return machine_->head_bytes == 0 && machine_->state == State::kHead;
}
const HttpRequest& HttpParser::request() const {
  return machine_->request;
}
const HttpRefusal& HttpParser::refusal() const {
  return machine_->refusal;
}
void HttpParser::reset() {
  machine_ = std::make_unique<Machine>(machine_->limits);
}

}  // namespace sluice
