#include "model/expert_block.h"

#include <algorithm>
#include <vector>

#include "experts/gathered_request.h"
#include "kernels/vector_ops.h"
#include "model/expert_products.h"
#include "model/router.h"

namespace sluice {
namespace {

// Which (row, rank) places of a batch use which expert.
class Assignment {
 public:
  Assignment(const Routing& routing, const Batch& batch, size_t k, size_t expert_count)
      : places_of_(expert_count) {
    for (size_t row = 0; row < batch.rows(); ++row) {
      if (batch.has_failed(batch.chunk_of(row))) continue;
      for (size_t place = row * k; place < (row + 1) * k; ++place) add(place, routing.experts[place]);
    }
  }

  // The union of the rows' experts, in the order in which rows name them.
  std::span<const uint32_t> used() const { return used_; }
  // row * k + rank, ascending.
  std::span<const size_t> places_of(uint32_t expert) const { return places_of_[expert]; }

 private:
  void add(size_t place, uint32_t expert) {
    if (places_of_[expert].empty()) used_.push_back(expert);
    places_of_[expert].push_back(place);
  }

  std::vector<std::vector<size_t>> places_of_;
  std::vector<uint32_t> used_;
};

// Some rows' places of one expert.
struct Piece {
  ExpertMatrices weights;
  std::span<const size_t> places;
};

// Runs experts on rows that chose them: outputs [rows, k, D] at their places.
void run_pieces(const ForwardContext& context, std::span<const Piece> pieces, const float* x,
                float* outputs) {
  const Workspace::Scope scope(context.workspace);
  const size_t hidden = context.config.hidden_size;
  const size_t k = context.config.num_experts_per_tok;
  std::vector<ExpertProducts> products;
  for (const auto& [weights, places] : pieces) {
    if (places.size() == 1) {
      products.push_back({weights, x + places[0] / k * hidden, 1, outputs + places[0] * hidden});
      continue;
    }
    float* const gathered = context.workspace.floats(places.size() * hidden);
    for (size_t i = 0; i < places.size(); ++i)
      std::copy_n(x + places[i] / k * hidden, hidden, gathered + i * hidden);
    products.push_back({weights, gathered, places.size(), context.workspace.floats(places.size() * hidden)});
  }
  compute_together(context, products);
  for (size_t p = 0; p < pieces.size(); ++p) {
    const auto& places = pieces[p].places;
    for (size_t i = 0; places.size() > 1 && i < places.size(); ++i)
      std::copy_n(products[p].y + i * hidden, hidden, outputs + places[i] * hidden);
  }
}

// Each id once, in the order of their first appearance.
std::vector<uint32_t> distinct(std::span<const uint32_t> ids, size_t id_count) {
  std::vector<bool> is_seen(id_count);
  std::vector<uint32_t> result;
  for (const uint32_t id : ids) {
    if (is_seen[id]) continue;
    is_seen[id] = true;
    result.push_back(id);
  }
  return result;
}

// The residual streams change little from one layer to the next, so that the next routers, shown what this
// one saw, name mostly the experts that they will name in earnest. A sweep's union leaves little to guess:
// there one layer is enough.
void guess_next_layers(const ForwardContext& context, const RoutedExperts& experts, uint32_t layer,
                       const float* x, const Batch& batch) {
  const bool is_sweep = batch.is_sweep();
  for (uint32_t ahead = 1; ahead <= (is_sweep ? 1 : kLayersAhead); ++ahead) {
    const RouterWeights* const router = experts.next_routers[ahead - 1];
    if (router == nullptr || !experts.store.wants_guesses()) continue;
    const PartTimer timer(context, PassPart::kRouting, layer);
    const Workspace::Scope scope(context.workspace);
    const Routing routing = route(context, *router, x, batch);
    const std::span ids(routing.experts, batch.rows() * context.config.num_experts_per_tok);
    experts.store.prefetch(layer + ahead, distinct(ids, context.config.n_routed_experts), Foresight::kLikely,
                           is_sweep);
  }
}

// Puts a script's experts, where it has some, in the place of the router's.
void follow_script(const ForwardContext& context, uint32_t layer, const Batch& batch,
                   const Routing& routing) {
  const size_t k = context.config.num_experts_per_tok;
  for (size_t row = 0; row < batch.rows(); ++row) {
    const auto scripted = context.script->experts(layer, batch.position(row));
    std::ranges::copy(scripted, routing.experts + row * k);
  }
}

// What a batch was routed by, when somebody looks; hash layers have nothing to show.
class ObservedScores {
 public:
  ObservedScores(const Batch& batch, size_t experts)
      : experts_(experts), plain_(batch.is_observed() ? batch.rows() * experts : 0), biased_(plain_.size()) {}

  RouterScores destination() { return {plain_.data(), biased_.data()}; }
  bool empty() const { return plain_.empty(); }
  std::span<const float> plain(size_t row) const {
    return std::span(plain_).subspan(row * experts_, experts_);
  }
  std::span<const float> biased(size_t row) const {
    return std::span(biased_).subspan(row * experts_, experts_);
  }

 private:
  size_t experts_;
  std::vector<float> plain_;
  std::vector<float> biased_;
};

// Routes the batch, and shows observers how.
Routing route_observed(const ForwardContext& context, const RouterWeights& router, uint32_t layer,
                       const float* x, const Batch& batch) {
  const PartTimer timer(context, PassPart::kRouting, layer);
  const size_t k = context.config.num_experts_per_tok;
  ObservedScores scores(batch, context.config.n_routed_experts);
  const RouterScores shown = scores.destination();
  const Routing routing = route(context, router, x, batch, scores.empty() ? nullptr : &shown);
  if (context.script != nullptr) follow_script(context, layer, batch, routing);
  for (size_t row = 0; row < batch.rows(); ++row) {
    ForwardObserver* const observer = batch.observer(row);
    if (observer == nullptr) continue;
    const uint64_t position = batch.position(row);
    const std::span experts(routing.experts + row * k, k);
    const std::span weights(routing.weights + row * k, k);
    if (!router.table) {
      observer->on_scores(layer, position, scores.biased(row));
      if (observer->revise_experts(layer, position, scores.biased(row), experts))
        weigh_experts(context.config, scores.plain(row), experts, weights);
    }
    observer->on_experts(layer, position, experts, weights);
  }
  return routing;
}

// y = sum over ranks, in their order, of weight * output, plus y (the shared expert's output); of rows that
// have outputs.
void combine(const ForwardContext& context, const Routing& routing, const float* outputs, const Batch& batch,
             float* y) {
  const size_t hidden = context.config.hidden_size;
  const size_t k = context.config.num_experts_per_tok;
  context.pool.parallel_for(batch.rows(), 1, [&](size_t begin, size_t end) {
    std::vector<float> sum(hidden);
    for (size_t row = begin; row < end; ++row) {
      if (batch.has_failed(batch.chunk_of(row))) continue;
      std::fill(sum.begin(), sum.end(), 0.0F);
      for (size_t place = row * k; place < (row + 1) * k; ++place) {
        add_scaled(routing.weights[place], outputs + place * hidden, hidden, sum.data());
      }
      add_scaled(1.0F, sum.data(), hidden, y + row * hidden);
    }
  });
}

// Waits for the next expert.
Result<ExpertArrival> next_arrival(const ForwardContext& context, uint32_t layer, ExpertRequest& request) {
  const PartTimer timer(context, PassPart::kWaiting, layer);
  return request.next();
}

// An expert that is there.
struct Arrived {
  uint32_t expert;
  ExpertLease lease;
};

// Waits for the next expert, and takes what has arrived besides. Whom an expert fails that could not be read
// goes without: nothing may be left. Everything taken is held until it is computed, so that a request that is
// short of slots, or sweeps through a few, takes one at a time.
Result<std::vector<Arrived>> take_arrived(const ForwardContext& context, const ExpertStore& store,
                                          uint32_t layer, ExpertRequest& request,
                                          const Assignment& assignment, Batch& batch) {
  const size_t k = context.config.num_experts_per_tok;
  const bool has_slots =
      store.mode() == StreamMode::kMmap || store.capacity_slots() >= assignment.used().size();
  const size_t most_tokens = has_slots && !batch.is_sweep() ? kTokensTogether : 0;
  std::vector<Arrived> arrived;
  size_t tokens = 0;
  do {
    SLUICE_ASSIGN(ExpertArrival arrival,
                  arrived.empty() ? next_arrival(context, layer, request) : request.next());
    const uint32_t expert = assignment.used()[arrival.index];
    const std::span<const size_t> places = assignment.places_of(expert);
    if (!arrival.lease) {
      for (const size_t place : places) batch.fail(batch.chunk_of(place / k), arrival.lease.error());
      continue;
    }
    arrived.push_back({expert, *std::move(arrival.lease)});
    tokens += places.size();
  } while (request.ready() > 0 && tokens + batch.rows() <= most_tokens);
  return arrived;
}

// Runs experts on all rows that chose them, as many at once as the workspace is planned for. (A hash table
// may name an expert twice for one token, so that there can be more places than rows.)
void run_arrived(const ForwardContext& context, const ExpertStorage& storage, uint32_t layer,
                 std::span<const Arrived> arrived, const Assignment& assignment, const Batch& batch,
                 const float* x, float* outputs) {
  const size_t most_tokens = std::max(batch.rows(), kTokensTogether);
  std::vector<Piece> pieces;
  size_t tokens = 0;
  for (const auto& [expert, lease] : arrived) {
    const ExpertMatrices weights = storage.view(storage.catalog().index({layer, expert}), lease);
    const std::span<const size_t> places = assignment.places_of(expert);
    for (size_t begin = 0; begin < places.size(); begin += most_tokens) {
      const auto piece = places.subspan(begin, std::min(most_tokens, places.size() - begin));
      if (tokens + piece.size() > most_tokens) {
        run_pieces(context, pieces, x, outputs);
        pieces.clear();
        tokens = 0;
      }
      pieces.push_back({weights, piece});
      tokens += piece.size();
    }
  }
  run_pieces(context, pieces, x, outputs);
}

// Computes every expert of a request on its rows, in order of arrival: outputs [rows, k, D]. Ends early when
// every chunk has failed, or was cancelled meanwhile: a sweep's experts may take long to arrive.
Status run_experts(const ForwardContext& context, const RoutedExperts& experts, uint32_t layer,
                   ExpertRequest request, const Assignment& assignment, Batch& batch, const float* x,
                   float* outputs) {
  while (request.remaining() > 0) {
    batch.fail_cancelled();
    if (batch.all_failed()) break;
    SLUICE_ASSIGN(const std::vector<Arrived> arrived,
                  take_arrived(context, experts.store, layer, request, assignment, batch));
    if (arrived.empty()) continue;
    const PartTimer timer(context, PassPart::kExpert, layer);
    run_arrived(context, experts.storage, layer, arrived, assignment, batch, x, outputs);
  }
  return {};
}

}  // namespace

Status expert_block(const ForwardContext& context, const RoutedExperts& experts, const LayerWeights& weights,
                    uint32_t layer, const float* x, Batch& batch, float* y) {
  const Workspace::Scope scope(context.workspace);
  const size_t k = context.config.num_experts_per_tok;
  const Routing routing = route_observed(context, weights.router, layer, x, batch);
  const Assignment assignment(routing, batch, k, context.config.n_routed_experts);
  if (batch.is_sweep() && experts.swept != nullptr) experts.swept->record(layer, routing, batch.rows());
  SLUICE_ASSIGN(ExpertRequest request, batch.is_sweep() ? experts.store.sweep(layer, assignment.used())
                                                        : experts.store.request(layer, assignment.used()));
  guess_next_layers(context, experts, layer, x, batch);
  const bool can_gather = !batch.is_sweep() && experts.store.capacity_slots() >= request.remaining();
  if (context.gathers_experts && can_gather) request = gathered(std::move(request));
  {
    const PartTimer timer(context, PassPart::kSharedExpert, layer);  // while the others are read
    const ExpertProducts shared{weights.shared_expert, x, batch.rows(), y};
    compute_together(context, {&shared, 1});
  }
  float* outputs = context.workspace.floats(batch.rows() * k * context.config.hidden_size);
  SLUICE_TRY(run_experts(context, experts, layer, std::move(request), assignment, batch, x, outputs));
  const PartTimer timer(context, PassPart::kMixing, layer);
  combine(context, routing, outputs, batch, y);
  return {};
}

}  // namespace sluice
