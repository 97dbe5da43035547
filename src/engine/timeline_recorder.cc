#include "engine/timeline_recorder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/fail.h"

namespace sluice {
namespace {

using Kind = TimelineSpan::Kind;

struct KindLook {
  const char* name;
  const char* colour;
};
// In the order of Kind; the picture's rows stand in this order too.
constexpr std::array<KindLook, 8> kLooks = {{{"read", "#d1495b"},
                                             {"read ahead", "#edae49"},
                                             {"attention", "#00798c"},
                                             {"routing", "#66a182"},
                                             {"shared expert", "#2e4057"},
                                             {"waiting", "#b0b0b0"},
                                             {"expert", "#3066be"},
                                             {"mixing", "#8d6a9f"}}};

Kind kind_of(PassPart part) {
  switch (part) {
    case PassPart::kAttention:
      return Kind::kAttention;
    case PassPart::kRouting:
      return Kind::kRouting;
    case PassPart::kSharedExpert:
      return Kind::kSharedExpert;
    case PassPart::kWaiting:
      return Kind::kWaiting;
    case PassPart::kExpert:
      return Kind::kExpert;
    case PassPart::kMixing:
      return Kind::kMixing;
  }
  return Kind::kMixing;
}

bool is_read(Kind kind) {
  return kind == Kind::kRead || kind == Kind::kReadAhead;
}

struct TimeRange {
  uint64_t begin_ns = 0;
  uint64_t end_ns = 1;
};

TimeRange range_of(const std::vector<TimelineSpan>& spans) {
  if (spans.empty()) return {};
  TimeRange range{spans.front().begin_ns, spans.front().begin_ns + 1};
  for (const TimelineSpan& span : spans) range.end_ns = std::max(range.end_ns, span.end_ns);
  return range;
}

}  // namespace

const char* timeline_span_name(Kind kind) {
  return kLooks[static_cast<size_t>(kind)].name;
}

TimelineRecorder::TimelineRecorder(ExpertStore& store)
    : store_(store), start_(std::chrono::steady_clock::now()) {
  store_.listen([this](const ReadSpan& read) {
    add(read.was_ahead ? Kind::kReadAhead : Kind::kRead, read.id.layer, read.begin, read.end);
  });
}

TimelineRecorder::~TimelineRecorder() {
  store_.listen({});
}

void TimelineRecorder::add(Kind kind, uint32_t layer, std::chrono::steady_clock::time_point begin,
                           std::chrono::steady_clock::time_point end) {
  const auto since_start = [this](std::chrono::steady_clock::time_point time) {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time - start_).count());
  };
  const std::lock_guard lock(mutex_);
  spans_.push_back({kind, layer, since_start(begin), since_start(end)});
}

void TimelineRecorder::on_part(PassPart part, uint32_t layer, std::chrono::steady_clock::time_point begin,
                               std::chrono::steady_clock::time_point end) {
  add(kind_of(part), layer, begin, end);
  if (part != PassPart::kAttention || layer != 0) return;
  const std::lock_guard lock(mutex_);
  pass_begin_ns_ = spans_.back().begin_ns;
  std::erase_if(spans_, [this](const TimelineSpan& span) { return span.end_ns < pass_begin_ns_; });
}

std::vector<TimelineSpan> TimelineRecorder::spans() const {
  std::vector<TimelineSpan> spans;
  {
    const std::lock_guard lock(mutex_);
    spans = spans_;
  }
  std::ranges::sort(spans, {}, &TimelineSpan::begin_ns);
  return spans;
}

std::string timeline_json(const std::vector<TimelineSpan>& spans) {
  const uint64_t begin_ns = range_of(spans).begin_ns;
  nlohmann::ordered_json events = nlohmann::ordered_json::array();
  for (const TimelineSpan& span : spans) {
    events.push_back({{"name", timeline_span_name(span.kind)},
                      {"cat", is_read(span.kind) ? "reads" : "compute"},
                      {"ph", "X"},
                      {"ts", static_cast<double>(span.begin_ns - begin_ns) / 1e3},
                      {"dur", static_cast<double>(span.end_ns - span.begin_ns) / 1e3},
                      {"pid", 1},
                      {"tid", timeline_span_name(span.kind)},
                      {"args", {{"layer", span.layer}}}});
  }
  return nlohmann::ordered_json{{"displayTimeUnit", "ms"}, {"traceEvents", events}}.dump(1) + "\n";
}

std::string timeline_svg(const std::vector<TimelineSpan>& spans) {
  constexpr double kLabelWidth = 110;
  constexpr double kWidth = 1200;
  constexpr double kRowHeight = 26;
  const TimeRange range = range_of(spans);
  const double scale = (kWidth - kLabelWidth - 10) / static_cast<double>(range.end_ns - range.begin_ns);
  const double height = kRowHeight * kLooks.size() + 30;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
      kWidth, height);
  for (size_t row = 0; row < kLooks.size(); ++row) {
    svg += fmt::format("<text x=\"4\" y=\"{}\">{}</text>\n", kRowHeight * static_cast<double>(row) + 17,
                       kLooks[row].name);
  }
  for (const TimelineSpan& span : spans) {
    const KindLook& look = kLooks[static_cast<size_t>(span.kind)];
    // Reads overlap each other: what lies under them shows through.
    svg += fmt::format(
        "<rect x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" height=\"{}\" fill=\"{}\" fill-opacity=\"{}\">"
        "<title>{}, layer {}: {:.3f} ms</title></rect>\n",
        kLabelWidth + scale * static_cast<double>(span.begin_ns - range.begin_ns),
        kRowHeight * static_cast<double>(span.kind) + 3,
        std::max(0.3, scale * static_cast<double>(span.end_ns - span.begin_ns)), kRowHeight - 6, look.colour,
        is_read(span.kind) ? 0.35 : 1.0, look.name, span.layer,
        static_cast<double>(span.end_ns - span.begin_ns) / 1e6);
  }
  svg += fmt::format(
      "<text x=\"{}\" y=\"{}\">0</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{:.2f} ms</text>\n",
      kLabelWidth, height - 8, kWidth - 10, height - 8,
      static_cast<double>(range.end_ns - range.begin_ns) / 1e6);
  return svg + "</svg>\n";
}

Status write_timeline(const std::vector<TimelineSpan>& spans, const std::filesystem::path& path) {
  std::ofstream file(path, std::ios::trunc);
  file << (path.extension() == ".svg" ? timeline_svg(spans) : timeline_json(spans));
  file.close();
  if (file) return {};
  return fail(ErrorCode::kIo, "{}: the timeline could not be written: {}", path.string(), errno_text(errno));
}

}  // namespace sluice
