#include "experts/trace.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <tuple>
#include <utility>

#include "base/fail.h"
#include "base/file.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 2> kVersionLines = {"# sluice-trace v1", "# sluice-trace v2"};
constexpr std::array<std::string_view, 2> kColumnLines = {"phase,token,layer,experts,weights",
                                                          "phase,token,layer,experts,weights,scores"};
constexpr size_t kProgressLines = 1000;
constexpr size_t kMaxQuoted = 60;  // characters of what was found that an error repeats

// Printable, and no longer than an error message should be.
std::string in_quotes(std::string_view text) {
  std::string quote = "\"";
  for (const char c : text.substr(0, kMaxQuoted)) quote += c < ' ' || c > '~' ? '?' : c;
  return quote + (text.size() > kMaxQuoted ? "...\"" : "\"");
}

// Cuts `text` at the first `separator`: what stands before it is returned, what stands behind it is left.
std::string_view take_until(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A number that std::from_chars reads back to the bit, without the "+" of an exponent.
std::string format_number(float number) {
  std::string text = fmt::format("{}", number);
  std::erase(text, '+');
  return text;
}

// The rules that hold for a header and a route by themselves; each returns what is wrong, or nothing.
std::optional<std::string> fault_of(const TraceHeader& header) {
  const bool is_word =
      !header.model.empty() && std::ranges::all_of(header.model, [](char c) { return c > ' ' && c <= '~'; });
  if (!is_word) return fmt::format("model is {}, expected one printable word", in_quotes(header.model));
  const auto outside = [](std::string_view field, uint64_t found, uint64_t limit) {
    return fmt::format("{} is {}, expected 1 to {}", field, found, limit);
  };
  if (header.layers < 1 || header.layers > kMaxTraceLayers)
    return outside("layers", header.layers, kMaxTraceLayers);
  if (header.experts < 1 || header.experts > kMaxTraceExperts)
    return outside("experts", header.experts, kMaxTraceExperts);
  if (header.experts_per_token < 1 || header.experts_per_token > header.experts)
    return outside("experts_per_token", header.experts_per_token, header.experts);
  if (header.expert_bytes < 1) return std::string("expert_bytes is 0, expected 1 or more");
  return std::nullopt;
}

std::optional<std::string> fault_of_experts(const TraceHeader& header, const std::vector<uint32_t>& experts) {
  if (experts.empty() || experts.size() > header.experts_per_token)
    return fmt::format("found {} experts, expected 1 to {} (experts_per_token)", experts.size(),
                       header.experts_per_token);
  for (auto expert = experts.begin(); expert != experts.end(); ++expert) {
    if (*expert >= header.experts)
      return fmt::format("found expert {}, expected a number below {} (experts)", *expert, header.experts);
    if (std::find(experts.begin(), expert, *expert) != expert)
      return fmt::format("found expert {} twice, expected distinct ones", *expert);
  }
  return std::nullopt;
}

std::optional<std::string> fault_of(const TraceHeader& header, const TraceRoute& route) {
  if (route.token >= kMaxTraceTokens)
    return fmt::format("found token {}, expected a number below {}", route.token, kMaxTraceTokens);
  if (route.layer >= header.layers)
    return fmt::format("found layer {}, expected a number below {} (layers)", route.layer, header.layers);
  if (auto fault = fault_of_experts(header, route.experts)) return fault;
  if (route.weights.size() != route.experts.size())
    return fmt::format("found {} weights, expected {}, one for each expert", route.weights.size(),
                       route.experts.size());
  const size_t scores = header.has_scores ? header.experts : 0;
  if (!route.scores.empty() && route.scores.size() != scores)
    return fmt::format("found {} scores, expected {} or none", route.scores.size(), scores);
  const auto is_finite = [](float number) { return std::isfinite(number); };
  if (!std::ranges::all_of(route.weights, is_finite)) return "found a weight that is not finite";
  if (!std::ranges::all_of(route.scores, is_finite)) return "found a score that is not finite";
  return std::nullopt;
}

// The rule between a route and the one before.
std::optional<std::string> fault_of_order(const TraceRoute& before, const TraceRoute& route) {
  if (std::tie(route.token, route.layer) <= std::tie(before.token, before.layer))
    return fmt::format("found token {} layer {} behind token {} layer {}, expected ascending order",
                       route.token, route.layer, before.token, before.layer);
  if (route.phase < before.phase) return "found prefill behind decode, expected it before";
  if (route.phase != before.phase && route.token == before.token)
    return fmt::format("found token {} in both phases, expected it in one", route.token);
  return std::nullopt;
}

// One pass over the text of a trace; every error is that of the line it has come to.
class TraceParser {
 public:
  TraceParser(std::string_view text, std::string_view name) : rest_(text), name_(name) {}

  Result<Trace> parse(const TraceProgress& on_progress) {
    const uint64_t total_bytes = rest_.size();
    SLUICE_TRY(parse_version());
    SLUICE_TRY(parse_header());
    const std::string_view columns = kColumnLines[trace_.header.has_scores ? 1 : 0];
    if (next_line() != columns) return expected(line_, in_quotes(columns));
    while (!rest_.empty()) {
      SLUICE_TRY(parse_route(next_line()));
      if (on_progress && line_number_ % kProgressLines == 0)
        on_progress(total_bytes - rest_.size(), total_bytes);
    }
    return std::move(trace_);
  }

 private:
  std::string_view next_line() {
    ++line_number_;
    return line_ = take_until(rest_, '\n');
  }

  tl::unexpected<Error> wrong(std::string_view fault) const {
    return fail(ErrorCode::kCorrupt, "{}:{}: {}", name_, line_number_, fault);
  }
  tl::unexpected<Error> expected(std::string_view found, std::string_view what) const {
    return wrong(fmt::format("found {}, expected {}", in_quotes(found), what));
  }

  Status parse_version() {
    const auto version = std::ranges::find(kVersionLines, next_line());
    if (version == kVersionLines.end())
      return expected(line_, fmt::format("\"{}\" or \"{}\"", kVersionLines[0], kVersionLines[1]));
    trace_.header.has_scores = version != kVersionLines.begin();
    return {};
  }

  // `field` must be "<key>=<value>".
  Result<std::string_view> value_of(std::string_view field, std::string_view key) const {
    if (!field.starts_with(key) || !field.substr(key.size()).starts_with('='))
      return expected(field, fmt::format("{}=<value>", key));
    return field.substr(key.size() + 1);
  }

  template <class Number>
  Status parse_field(std::string_view field, std::string_view key, Number& into) const {
    SLUICE_ASSIGN(const std::string_view value, value_of(field, key));
    const auto number = parse_number<Number>(value);
    if (!number) return expected(field, fmt::format("{}=<whole number>", key));
    into = *number;
    return {};
  }

  Status parse_header() {
    std::string_view fields = next_line();
    if (take_until(fields, ' ') != "#") return expected(line_, "\"# model=... layers=... experts=... ...\"");
    TraceHeader& header = trace_.header;
    SLUICE_ASSIGN(header.model, value_of(take_until(fields, ' '), "model"));
    SLUICE_TRY(parse_field(take_until(fields, ' '), "layers", header.layers));
    SLUICE_TRY(parse_field(take_until(fields, ' '), "experts", header.experts));
    SLUICE_TRY(parse_field(take_until(fields, ' '), "experts_per_token", header.experts_per_token));
    SLUICE_TRY(parse_field(take_until(fields, ' '), "expert_bytes", header.expert_bytes));
    if (!fields.empty()) return expected(fields, "the end of the line");
    if (const auto fault = fault_of(header)) return wrong(*fault);
    return {};
  }

  Result<TracePhase> parse_phase(std::string_view text) const {
    if (text == "prefill") return TracePhase::kPrefill;
    if (text == "decode") return TracePhase::kDecode;
    return expected(text, "the phase prefill or decode");
  }

  Result<uint32_t> parse_index(std::string_view text, std::string_view column) const {
    const auto number = parse_number<uint32_t>(text);
    if (!number) return expected(text, fmt::format("a {} number", column));
    return *number;
  }

  // Stops at `limit` + 1 numbers: the caller says what is wrong with so many.
  template <class Number>
  Status parse_list(std::string_view text, std::string_view column, size_t limit,
                    std::vector<Number>& into) const {
    bool more = !text.empty();
    while (more && into.size() <= limit) {
      more = text.find('+') != text.npos;
      const std::string_view item = take_until(text, '+');
      const auto number = parse_number<Number>(item);
      if (!number) return expected(item, fmt::format("a number in {}", column));
      into.push_back(*number);
    }
    return {};
  }

  Status parse_route(std::string_view line) {
    const TraceHeader& header = trace_.header;
    const ptrdiff_t commas = header.has_scores ? 5 : 4;
    if (std::ranges::count(line, ',') != commas)
      return expected(line, fmt::format("{} columns with commas between", commas + 1));
    TraceRoute route;
    SLUICE_ASSIGN(route.phase, parse_phase(take_until(line, ',')));
    SLUICE_ASSIGN(route.token, parse_index(take_until(line, ','), "token"));
    SLUICE_ASSIGN(route.layer, parse_index(take_until(line, ','), "layer"));
    SLUICE_TRY(parse_list(take_until(line, ','), "experts", header.experts_per_token, route.experts));
    SLUICE_TRY(parse_list(take_until(line, ','), "weights", header.experts_per_token, route.weights));
    SLUICE_TRY(parse_list(line, "scores", header.experts, route.scores));
    if (const auto fault = fault_of(header, route)) return wrong(*fault);
    if (!trace_.routes.empty())
      if (const auto fault = fault_of_order(trace_.routes.back(), route)) return wrong(*fault);
    trace_.routes.push_back(std::move(route));
    return {};
  }

  std::string_view rest_;
  std::string_view name_;
  std::string_view line_;
  size_t line_number_ = 0;
  Trace trace_;
};

void append_numbers(std::string& text, const std::vector<float>& numbers) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) text += '+';
    text += format_number(numbers[i]);
  }
}

std::string line_of(const TraceHeader& header, const TraceRoute& route) {
  std::string text = fmt::format("{},{},{},{},", route.phase == TracePhase::kPrefill ? "prefill" : "decode",
                                 route.token, route.layer, fmt::join(route.experts, "+"));
  append_numbers(text, route.weights);
  if (header.has_scores) text += ',';
  append_numbers(text, route.scores);
  return text += '\n';
}

}  // namespace

Result<Trace> parse_trace(std::string_view text, std::string_view name, const TraceProgress& on_progress) {
  return TraceParser(text, name).parse(on_progress);
}

Result<Trace> read_trace(const std::filesystem::path& path, const TraceProgress& on_progress) {
  SLUICE_ASSIGN(const std::string text, read_text_file(path, kMaxTraceBytes));
  return parse_trace(text, path.string(), on_progress);
}

Result<std::string> format_trace(const Trace& trace) {
  const TraceHeader& header = trace.header;
  if (const auto fault = fault_of(header)) return fail(ErrorCode::kInvalidArgument, "trace: {}", *fault);
  const size_t version = header.has_scores ? 1 : 0;
  std::string text =
      fmt::format("{}\n# model={} layers={} experts={} experts_per_token={} expert_bytes={}\n{}\n",
                  kVersionLines[version], header.model, header.layers, header.experts,
                  header.experts_per_token, header.expert_bytes, kColumnLines[version]);
  for (size_t i = 0; i < trace.routes.size(); ++i) {
    auto fault = fault_of(header, trace.routes[i]);
    if (!fault && i > 0) fault = fault_of_order(trace.routes[i - 1], trace.routes[i]);
    if (fault) return fail(ErrorCode::kInvalidArgument, "trace: route {}: {}", i, *fault);
    text += line_of(header, trace.routes[i]);
  }
  return text;
}

Status write_trace(const Trace& trace, const std::filesystem::path& path) {
  SLUICE_ASSIGN(const std::string text, format_trace(trace));
  if (text.size() > kMaxTraceBytes)
    return fail(ErrorCode::kInvalidArgument,
                "{}: the trace has {} bytes, and only {} can be read back: record less", path.string(),
                text.size(), kMaxTraceBytes);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file)
    return fail(ErrorCode::kIo, "{}: cannot be written; is the folder there, and room on the disk?",
                path.string());
  return {};
}

}  // namespace sluice
