// Writes down what an engine does when: which expert is read while what is computed. `sluice run --timeline`.
#pragma once

#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "experts/expert_store.h"
#include "model/forward_context.h"

namespace sluice {

// Something that took from begin to end.
struct TimelineSpan {
  enum class Kind { kRead, kReadAhead, kAttention, kRouting, kSharedExpert, kWaiting, kExpert, kMixing };
  Kind kind = Kind::kRead;
  uint32_t layer = 0;
  uint64_t begin_ns = 0;  // since the recorder was made
  uint64_t end_ns = 0;
};
const char* timeline_span_name(TimelineSpan::Kind kind);  // "read", "read ahead", "attention", ...

// Keeps the spans of the last token: every pass that begins at layer 0 starts anew. `store` must outlive it.
class TimelineRecorder final : public ForwardObserver {
 public:
  explicit TimelineRecorder(ExpertStore& store);
  ~TimelineRecorder() override;

  void on_part(PassPart part, uint32_t layer, std::chrono::steady_clock::time_point begin,
               std::chrono::steady_clock::time_point end) override;

  // Of the last pass; those of its reads that began before it are among them. Ascending by begin_ns.
  std::vector<TimelineSpan> spans() const;

 private:
  void add(TimelineSpan::Kind kind, uint32_t layer, std::chrono::steady_clock::time_point begin,
           std::chrono::steady_clock::time_point end);

  ExpertStore& store_;
  const std::chrono::steady_clock::time_point start_;
  uint64_t pass_begin_ns_ = 0;  // of the last pass; used by its thread alone
  mutable std::mutex mutex_;
  std::vector<TimelineSpan> spans_;  // guarded by mutex_
};

// The spans as JSON in the Trace Event Format, which chrome://tracing and ui.perfetto.dev draw; times from
// the first span's beginning.
std::string timeline_json(const std::vector<TimelineSpan>& spans);
// The same as a picture: reads above, computing below, one row a kind, time from left to right.
std::string timeline_svg(const std::vector<TimelineSpan>& spans);

// An .svg file gets the picture, any other the JSON. kIo when it cannot be written.
Status write_timeline(const std::vector<TimelineSpan>& spans, const std::filesystem::path& path);

}  // namespace sluice
