#include "cli/status_line.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(StatusText, ShowsWhatThereIs) {
  TelemetrySample sample;
  sample.interval_ns = 500'000'000;
  sample.tokens = 10;
  EXPECT_EQ(status_text(sample), "decode  20.0 tokens/s  0 B/token  waiting 0 %");
  sample.spent.hits = 9;
  sample.spent.misses = 1;
  sample.spent.read_bytes = 20'000'000;
  sample.spent.read_busy_ns = 10'000'000;
  EXPECT_EQ(status_text(sample),
            "decode  20.0 tokens/s  hits 90 %  2.00 MB/token  disk 40.0 MB/s  waiting 0 %");
  sample.spent.read_flight_ns = 25'000'000;
  EXPECT_EQ(status_text(sample),
            "decode  20.0 tokens/s  hits 90 %  2.00 MB/token  disk 40.0 MB/s  queue 2.5  waiting 0 %");
}

TEST(FittingFigures, AreWhole) {
  const std::string text = "decode  20.0 tokens/s  waiting 12 %";
  EXPECT_EQ(fitting_figures(text, text.size()), text);
  EXPECT_EQ(fitting_figures(text, text.size() - 1), "decode  20.0 tokens/s");
  EXPECT_EQ(fitting_figures(text, 20), "decode");
  EXPECT_EQ(fitting_figures(text, 5), "");
}

}  // namespace
}  // namespace sluice
