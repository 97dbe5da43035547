#include "engine/verify.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "base/fail.h"
#include "engine/near_choice.h"

namespace sluice {
namespace {

// How a case's tokens are cut: a first chunk, then chunks of one size.
struct Schedule {
  std::string name;
  size_t first_tokens = 0;
  size_t then_tokens = 0;
};

std::vector<Schedule> schedules_of(size_t tokens) {
  std::vector<Schedule> schedules = {{"whole", tokens, tokens}};
  for (const size_t size : {size_t{1}, size_t{7}, size_t{64}, size_t{512}}) {
    if (size < tokens) schedules.push_back({fmt::format("chunks of {}", size), size, size});
  }
  if (tokens > 1) schedules.push_back({fmt::format("prefill {} + decode", tokens / 2), tokens / 2, 1});
  return schedules;
}

// Mean and largest difference of two sets of numbers, on the scale of the reference's spread.
class ErrorMeter {
 public:
  void add(std::span<const float> found, std::span<const float> expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      const double error = std::abs(double{found[i]} - double{expected[i]});
      error_sum_ += error;
      // NaN compares with nothing: it must not pass for small.
      if (!(error <= largest_))
        largest_ = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
      sum_ += expected[i];
      square_sum_ += double{expected[i]} * double{expected[i]};
    }
    count_ += expected.size();
  }

  void report(const ErrorBounds& bounds, VerifyRow& row) const {
    const auto n = static_cast<double>(std::max<uint64_t>(1, count_));
    const double deviation = std::sqrt(std::max(0.0, square_sum_ / n - sum_ / n * (sum_ / n)));
    const double scale = deviation > 0 ? deviation : 1;
    row.compared = count_;
    row.mean_error = std::isfinite(largest_) ? error_sum_ / n / scale : largest_;
    row.largest_error = largest_ / scale;
    row.within = row.mean_error <= bounds.mean && row.largest_error <= bounds.largest;
  }

 private:
  uint64_t count_ = 0;
  double error_sum_ = 0, largest_ = 0, sum_ = 0, square_sum_ = 0;
};

// Which blocks a token attends to, in each layer that has an indexer.
class BlockChoices {
 public:
  void set(uint32_t layer, uint64_t position, std::span<const uint32_t> blocks) {
    choices_[{layer, position}].assign(blocks.begin(), blocks.end());
  }
  // Empty where none were set.
  std::span<const uint32_t> of(uint32_t layer, uint64_t position) const {
    const auto found = choices_.find({layer, position});
    return found == choices_.end() ? std::span<const uint32_t>() : std::span(found->second);
  }

 private:
  std::map<std::pair<uint32_t, uint64_t>, std::vector<uint32_t>> choices_;
};

// Compares what a forward pass shows of itself with a case, as it goes. In ties of experts it follows the
// case, in ties of blocks, which references have for a few tokens only, those of exact numerics.
class CaseObserver : public ForwardObserver {
 public:
  CaseObserver(const ReferenceCase& reference, double tolerance, const BlockChoices& exact_blocks)
      : reference_(reference), tolerance_(tolerance), exact_blocks_(exact_blocks) {}

  bool revise_experts(uint32_t layer, uint64_t position, std::span<const float> scores,
                      std::span<uint32_t> experts) override {
    if (layer >= reference_.layers.size() || reference_.layers[layer].experts.rows == 0) return false;
    const auto row = reference_.layers[layer].experts.row(position);
    const std::vector<uint32_t> expected(row.begin(), row.end());
    const NearChoice choice(scores, tolerance_);
    if (choice.is_near(experts)) ++experts_near;
    if (!choice.is_tie(experts, expected)) return false;
    ++expert_ties;
    std::ranges::copy(expected, experts.begin());
    choice.sort_by_score(experts);
    return true;
  }

  void on_experts(uint32_t layer, uint64_t position, std::span<const uint32_t> experts,
                  std::span<const float> weights) override {
    if (layer >= reference_.layers.size()) return;
    const ReferenceLayer& expected = reference_.layers[layer];
    if (expected.experts.rows == 0) return;
    const auto row = expected.experts.row(position);
    ++experts_compared;
    std::vector<int64_t> found_sorted(experts.begin(), experts.end());
    std::vector<int64_t> expected_sorted(row.begin(), row.end());
    std::sort(found_sorted.begin(), found_sorted.end());
    std::sort(expected_sorted.begin(), expected_sorted.end());
    if (found_sorted != expected_sorted) {
      ++experts_different;
      return;
    }
    for_each_probe(position, expected.weights, [&](std::span<const float> expected_weights) {
      for (size_t rank = 0; rank < experts.size(); ++rank) {
        const auto place =
            static_cast<size_t>(std::find(row.begin(), row.end(), int64_t{experts[rank]}) - row.begin());
        weights_error.add({&weights[rank], 1}, {&expected_weights[place], 1});
      }
    });
  }

  void revise_blocks(uint32_t layer, uint64_t position, std::span<const float> scores,
                     std::span<uint32_t> blocks) override {
    const std::span<const uint32_t> expected = exact_blocks_.of(layer, position);
    if (expected.size() != blocks.size()) return;
    const NearChoice choice(scores, tolerance_);
    if (choice.is_near(blocks)) ++blocks_near;
    if (!choice.is_tie(blocks, expected)) return;
    ++block_ties;
    std::ranges::copy(expected, blocks.begin());
  }

  void on_index(uint32_t layer, uint64_t position, std::span<const uint32_t> blocks) override {
    blocks_.set(layer, position, blocks);
    for_each_probe(position, reference_.layers[layer].index_topk, [&](std::span<const int64_t> expected) {
      std::vector<int64_t> wanted;
      std::copy_if(expected.begin(), expected.end(), std::back_inserter(wanted),
                   [](int64_t b) { return b >= 0; });
      std::sort(wanted.begin(), wanted.end());
      ++index_compared;
      if (!std::equal(wanted.begin(), wanted.end(), blocks.begin(), blocks.end())) ++index_different;
    });
  }

  void on_attention(uint32_t layer, uint64_t position, std::span<const float> output) override {
    for_each_probe(position, reference_.layers[layer].attention,
                   [&](std::span<const float> expected) { attention_error.add(output, expected); });
  }

  void on_streams(uint32_t layer, uint64_t position, std::span<const float> streams) override {
    for_each_probe(position, reference_.layers[layer].streams,
                   [&](std::span<const float> expected) { streams_error.add(streams, expected); });
  }

  BlockChoices take_blocks() { return std::move(blocks_); }

  uint64_t experts_compared = 0, experts_different = 0, experts_near = 0, expert_ties = 0;
  uint64_t index_compared = 0, index_different = 0, blocks_near = 0, block_ties = 0;
  ErrorMeter weights_error, attention_error, streams_error;

 private:
  template <class T, class F>
  void for_each_probe(uint64_t position, const Table<T>& table, const F& compare) const {
    for (size_t i = 0; i < table.rows; ++i) {
      if (reference_.probe_positions[i] == position) compare(table.row(i));
    }
  }

  const ReferenceCase& reference_;
  double tolerance_;
  const BlockChoices& exact_blocks_;
  BlockChoices blocks_;
};

class Verifier {
 public:
  Verifier(LoadedModel& loaded, const std::function<void(const VerifyRow&)>& on_row)
      : model_(*loaded.model), on_row_(on_row) {
    // Rows of 16 bits are rounding that fast numerics' bounds are for.
    const bool rounds = model_.numerics() == Numerics::kFast || model_.row_format() != RowFormat::kF32;
    report_.numerics = rounds ? Numerics::kFast : Numerics::kExact;
  }

  Status run_case(const ReferenceCase& reference) {
    exact_blocks_ = {};
    if (report_.numerics == Numerics::kFast) {
      SLUICE_ASSIGN(exact_blocks_, choose_blocks_exactly(reference));
    }
    for (const Schedule& schedule : schedules_of(reference.ids.size())) {
      SLUICE_TRY(run_schedule(reference, schedule));
    }
    if (!reference.greedy_ids.empty()) return run_greedy_logits(reference);
    return {};
  }

  Status run_greedy(const GreedyCase& greedy, size_t number) {
    VerifyRow row{fmt::format("greedy {}", number), "decode", "ids"};
    SLUICE_ASSIGN(auto state,
                  new_state(model_.state_shape(), greedy.prompt_ids.size() + greedy.output_ids.size()));
    std::vector<float> logits(model_.config().vocab_size);
    SLUICE_TRY(feed(state, greedy.prompt_ids, logits));
    for (size_t step = 0; step < greedy.output_ids.size() && greedy.margins[step] >= kDecisiveMargin;
         ++step) {
      ++row.compared;
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      if (best != greedy.output_ids[step]) ++row.different;
      SLUICE_TRY(feed(state, {&greedy.output_ids[step], 1}, logits));
    }
    row.within = row.different == 0;
    add(row);
    return {};
  }

  VerifyReport take_report() { return std::move(report_); }

 private:
  Result<SequenceState> new_state(const std::vector<LayerStateShape>& shape, size_t tokens) const {
    return SequenceState::create(shape, tokens);
  }

  void add(const VerifyRow& row) {
    report_.rows.push_back(row);
    if (on_row_) on_row_(row);
  }

  // How near scores may be to count as a tie.
  double tolerance() const { return error_bounds(report_.numerics).mean; }

  // Takes ids in, in chunks as large as the model allows; logits of the token after the last.
  Status feed(SequenceState& state, std::span<const int32_t> ids, std::vector<float>& logits,
              ForwardObserver* observer = nullptr) {
    while (!ids.empty()) {
      const size_t count = std::min(ids.size(), model_.max_chunk_tokens());
      std::vector<float> streams(count * model_.streams_width());
      SLUICE_TRY(model_.extend(state, ids.first(count), streams.data(), observer));
      model_.logits(streams.data() + (count - 1) * model_.streams_width(), 1, logits.data());
      ids = ids.subspan(count);
    }
    return {};
  }

  // What exact numerics, which are verified by themselves, choose in this case.
  Result<BlockChoices> choose_blocks_exactly(const ReferenceCase& reference) {
    const Numerics numerics = model_.numerics();
    CaseObserver observer(reference, error_bounds(Numerics::kExact).mean, exact_blocks_);
    std::vector<float> streams(reference.ids.size() * model_.streams_width());
    SLUICE_ASSIGN(auto state,
                  new_state(Model::state_shape(model_.config(), RowFormat::kF32), reference.ids.size()));
    model_.use(Numerics::kExact);
    const Status done = model_.extend(state, reference.ids, streams.data(), &observer);
    model_.use(numerics);
    SLUICE_TRY(done);
    return observer.take_blocks();
  }

  Status run_schedule(const ReferenceCase& reference, const Schedule& schedule) {
    const size_t tokens = reference.ids.size();
    const size_t width = model_.streams_width();
    CaseObserver observer(reference, tolerance(), exact_blocks_);
    std::vector<float> streams(tokens * width);
    SLUICE_ASSIGN(auto state, new_state(model_.state_shape(), tokens));
    SLUICE_TRY(in_chunks(tokens, schedule, [&](size_t begin, size_t count) {
      return model_.extend(state, std::span(reference.ids).subspan(begin, count),
                           streams.data() + begin * width, &observer);
    }));
    add_experts(reference, schedule, observer);
    add_index(reference, schedule, observer);
    add_near(reference, schedule, "routing weights", observer.weights_error, false);
    add_near(reference, schedule, "attention", observer.attention_error, false);
    add_near(reference, schedule, "streams", observer.streams_error, false);
    ErrorMeter logits_error;
    std::vector<float> logits(model_.config().vocab_size);
    for (size_t i = 0; i < reference.positions.size(); ++i) {
      model_.logits(streams.data() + reference.positions[i] * width, 1, logits.data());
      logits_error.add(logits, reference.logits.row(i));
    }
    add_near(reference, schedule, "logits", logits_error, true);
    return run_mtp(reference, schedule, streams);
  }

  Status run_mtp(const ReferenceCase& reference, const Schedule& schedule,
                 const std::vector<float>& streams) {
    if (reference.mtp_positions.empty()) return {};
    if (model_.config().num_nextn_predict_layers == 0) {
      return fail(ErrorCode::kInvalidArgument,
                  "{}: the reference has mtp_logits and the checkpoint has no MTP layer", reference.name);
    }
    const size_t tokens = reference.ids.size() - 1;  // the last one has no next token
    const size_t width = model_.streams_width();
    std::vector<float> mtp_streams(tokens * width);
    SLUICE_ASSIGN(auto state, new_state(model_.mtp_state_shape(), tokens));
    SLUICE_TRY(in_chunks(tokens, schedule, [&](size_t begin, size_t count) {
      return model_.extend_mtp(state, streams.data() + begin * width,
                               std::span(reference.ids).subspan(begin + 1, count),
                               mtp_streams.data() + begin * width);
    }));
    ErrorMeter error;
    std::vector<float> logits(model_.config().vocab_size);
    for (size_t i = 0; i < reference.mtp_positions.size(); ++i) {
      model_.mtp_logits(mtp_streams.data() + reference.mtp_positions[i] * width, 1, logits.data());
      error.add(logits, reference.mtp_logits.row(i));
    }
    add_near(reference, schedule, "MTP logits", error, true);
    return {};
  }

  // The variants' greedy continuation: each step's logits, fed with the reference's own ids.
  Status run_greedy_logits(const ReferenceCase& reference) {
    const std::span prompt = std::span(reference.ids).first(reference.greedy_prompt_tokens);
    SLUICE_ASSIGN(auto state, new_state(model_.state_shape(), prompt.size() + reference.greedy_ids.size()));
    std::vector<float> logits(model_.config().vocab_size);
    ErrorMeter error;
    CaseObserver observer(reference, tolerance(),
                          exact_blocks_);  // the choices after the prompt are not known
    SLUICE_TRY(feed(state, prompt, logits, &observer));
    for (size_t step = 0; step < reference.greedy_ids.size(); ++step) {
      error.add(logits, reference.greedy_logits.row(step));
      SLUICE_TRY(feed(state, {&reference.greedy_ids[step], 1}, logits));
    }
    add_near(reference, {fmt::format("prefill {} + decode", prompt.size()), 0, 0}, "greedy logits", error,
             true);
    return {};
  }

  template <class F>
  static Status in_chunks(size_t tokens, const Schedule& schedule, const F& run) {
    for (size_t begin = 0; begin < tokens;) {
      const size_t count =
          std::min(begin == 0 ? schedule.first_tokens : schedule.then_tokens, tokens - begin);
      SLUICE_TRY(run(begin, count));
      begin += count;
    }
    return {};
  }

  void add_experts(const ReferenceCase& reference, const Schedule& schedule, const CaseObserver& observer) {
    if (observer.experts_compared == 0) return;
    VerifyRow row{reference.name, schedule.name, "experts", observer.experts_compared,
                  observer.experts_different};
    row.near = observer.experts_near;
    row.ties = observer.expert_ties;
    row.within = row.different == 0;
    add(row);
  }

  void add_index(const ReferenceCase& reference, const Schedule& schedule, const CaseObserver& observer) {
    if (observer.index_compared == 0 && observer.blocks_near == 0) return;
    VerifyRow row{reference.name, schedule.name, "index blocks", observer.index_compared,
                  observer.index_different};
    row.near = observer.blocks_near;
    row.ties = observer.block_ties;
    row.bounded = false;
    row.within = row.different == 0;
    add(row);
  }

  void add_near(const ReferenceCase& reference, const Schedule& schedule, const char* quantity,
                const ErrorMeter& error, bool bounded) {
    VerifyRow row{reference.name, schedule.name, quantity};
    error.report(error_bounds(report_.numerics), row);
    row.bounded = bounded;
    if (row.compared != 0) add(row);
  }

  Model& model_;
  const std::function<void(const VerifyRow&)>& on_row_;
  VerifyReport report_;
  BlockChoices exact_blocks_;  // of the case that is running; none in exact numerics
};

}  // namespace

bool VerifyReport::within() const {
  const auto bounded = [](const VerifyRow& row) { return row.bounded; };
  return std::any_of(rows.begin(), rows.end(), bounded) &&
         std::all_of(rows.begin(), rows.end(),
                     [](const VerifyRow& row) { return row.within || !row.bounded; });
}

uint64_t VerifyReport::near() const {
  uint64_t sum = 0;
  for (const VerifyRow& row : rows) sum += row.near;
  return sum;
}

uint64_t VerifyReport::ties() const {
  uint64_t sum = 0;
  for (const VerifyRow& row : rows) sum += row.ties;
  return sum;
}

size_t verify_chunk_tokens(const std::vector<ReferenceCase>& cases) {
  size_t longest = 1;
  for (const ReferenceCase& one : cases) longest = std::max(longest, one.ids.size());
  return longest;
}

Result<VerifyReport> verify(LoadedModel& loaded, const std::vector<ReferenceCase>& cases,
                            const std::vector<GreedyCase>& greedy,
                            const std::function<void(const VerifyRow&)>& on_row) {
  Verifier verifier(loaded, on_row);
  for (const ReferenceCase& one : cases) SLUICE_TRY(verifier.run_case(one));
  for (size_t i = 0; i < greedy.size(); ++i) SLUICE_TRY(verifier.run_greedy(greedy[i], i + 1));
  return verifier.take_report();
}

}  // namespace sluice
