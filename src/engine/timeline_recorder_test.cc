#include "engine/timeline_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/engine_on_model.h"
#include "engine/loaded_model.h"

namespace sluice {
namespace {

using Kind = TimelineSpan::Kind;
using testing::HasSubstr;

const std::vector<TimelineSpan> kSpans = {{Kind::kAttention, 3, 1000, 5000}, {Kind::kRead, 3, 2000, 9000}};

TEST(Timeline, HoldsTheLastTokenAlone) {
  EngineOptions options;
  options.model_folder = SLUICE_SOURCE_DIR "/models/tiny-v4";
  options.cache = CacheSize{0, 10.0};
  auto engine = Engine::open(options);
  ASSERT_TRUE(engine) << engine.error().message;
  TimelineRecorder recorder(*(*engine)->loaded().store);
  GenerationRequest request;
  request.context_ids = {1, 2, 3, 4};
  request.max_new_tokens = 3;
  request.observer = &recorder;
  auto session = (*engine)->new_session();
  ASSERT_TRUE(session->generate(request));
  const size_t layers = (*engine)->loaded().checkpoint.config().num_hidden_layers;
  std::map<Kind, size_t> count;
  for (const TimelineSpan& span : recorder.spans()) {
    EXPECT_LE(span.begin_ns, span.end_ns);
    ++count[span.kind];
  }
  EXPECT_EQ(count[Kind::kAttention], layers);
  EXPECT_EQ(count[Kind::kSharedExpert], layers);
  EXPECT_EQ(count[Kind::kExpert], count[Kind::kWaiting]);
  EXPECT_GE(count[Kind::kExpert], layers);
  EXPECT_GT(count[Kind::kRead] + count[Kind::kReadAhead], 0u);
}

TEST(Timeline, IsWrittenInTheTraceEventFormat) {
  const auto json = nlohmann::json::parse(timeline_json(kSpans));
  ASSERT_EQ(json["traceEvents"].size(), 2u);
  const auto& read = json["traceEvents"][1];
  EXPECT_EQ(read["name"], "read");
  EXPECT_EQ(read["ph"], "X");
  EXPECT_EQ(read["ts"], 1.0);
  EXPECT_EQ(read["dur"], 7.0);
  EXPECT_EQ(read["args"]["layer"], 3);
}

TEST(Timeline, IsDrawnWithARowForEveryKind) {
  const std::string svg = timeline_svg(kSpans);
  EXPECT_THAT(svg, HasSubstr("<svg "));
  EXPECT_THAT(svg, HasSubstr("read ahead"));
  EXPECT_THAT(svg, HasSubstr("read, layer 3: 0.007 ms"));
  EXPECT_THAT(timeline_svg({}), HasSubstr("</svg>"));
}

TEST(Timeline, APathThatCannotBeWrittenIsAnError) {
  const Status written = write_timeline(kSpans, "/no/such/folder/t.json");
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr("/no/such/folder/t.json"));
}

}  // namespace
}  // namespace sluice
