#include "engine/memory_plan.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "base/machine.h"
#include "base/units.h"
#include "engine/stepper.h"
#include "experts/open_store.h"
#include "experts/slot_layout.h"
#include "model/model.h"

namespace sluice {
namespace {

constexpr uint64_t kDefaultContextTokens = 32768;
constexpr size_t kMaxChunkTokens = 8192;
// What we choose from.
constexpr size_t kShortestChunkTokens = 512;
constexpr size_t kLongestChunkTokens = 2048;
// The part of the memory at hand that a longer chunk may take.
constexpr uint64_t kChunkShare = 24;
// Of prompts, in a pass in which others wait for their next token. A pass costs by its tokens when experts
// are in memory; otherwise by the experts it reads, which a short piece has nearly as many of as a long one.
// docs/performance.md has what was measured.
constexpr size_t kSharedTokensInMemory = 64;
constexpr size_t kSharedTokensStreamed = 256;
constexpr size_t kMaxThreads = 1024;
constexpr size_t kMaxSessions = 1024;
constexpr size_t kPlannedAlignmentBytes = 4096;  // what O_DIRECT asks for at most
// Left to the rest of the machine, and to what a process needs besides tensors, when we choose the number of
// slots.
constexpr double kShareToUse = 0.9;

// What a process takes beside its arenas, measured as peaks of resident memory over checkpoints of 1,700 to
// 17,000 tensors, vocabularies of 2,048 to 129,280 and 2 to 48 threads, and rounded up: code and libraries;
// names, shapes and extents of tensors while headers are read; the tokenizer; stacks.
constexpr uint64_t kCodeBytes = 8 << 20;
constexpr uint64_t kTensorNotesBytes = 1 << 10;
constexpr uint64_t kVocabularyNotesBytes = 256;
constexpr uint64_t kThreadBytes = 64 << 10;

uint64_t program_bytes(const EngineOptions& options, const EngineSizes& sizes, const ModelConfig& config,
                       const ExpertCatalog& catalog) {
  const uint64_t expert_tensors = uint64_t{catalog.expert_count()} * catalog.parts_per_expert();
  return kCodeBytes + expert_tensors * kTensorNotesBytes + config.vocab_size * kVocabularyNotesBytes +
         (sizes.threads + options.read_threads) * kThreadBytes +
         sizes.threads * Model::thread_bytes(config, options.numerics);
}

uint64_t slots_of(const CacheSize& cache, const MemoryPlan& plan) {
  if (!cache.percent) return cache.bytes / plan.slot_bytes;
  const double share = *cache.percent / 100 * static_cast<double>(plan.experts);
  return std::max<uint64_t>(1, static_cast<uint64_t>(std::floor(share)));
}

// The slots that fit beside everything else, when nobody asked for a number.
uint64_t slots_that_fit(const MemoryPlan& plan) {
  const auto usable_bytes = static_cast<uint64_t>(kShareToUse * static_cast<double>(plan.available_bytes));
  const uint64_t left_bytes = usable_bytes - std::min(usable_bytes, plan.total_bytes());
  return left_bytes / plan.slot_bytes;
}

uint64_t wanted_slots(const EngineOptions& options, const MemoryPlan& plan) {
  if (options.stream == StreamMode::kMmap) return 0;
  if (options.stream == StreamMode::kResident) return plan.experts;
  const uint64_t wanted = options.cache               ? slots_of(*options.cache, plan)
                          : plan.available_bytes == 0 ? plan.experts
                                                      : slots_that_fit(plan);
  return std::min(wanted, plan.experts);
}

}  // namespace

Result<CacheSize> CacheSize::parse(std::string_view text) {
  CacheSize size;
  if (text.empty() || text.back() != '%') {
    SLUICE_ASSIGN(size.bytes, parse_bytes(text));
    return size;
  }
  const std::string number(text.substr(0, text.size() - 1));
  const bool is_plain = !number.empty() && number.find_first_not_of("0123456789.") == std::string::npos;
  char* end = nullptr;
  const double percent = is_plain ? std::strtod(number.c_str(), &end) : 0;
  if (!is_plain || *end != '\0' || !(percent > 0 && percent <= 100)) {
    return fail(ErrorCode::kInvalidArgument,
                "\"{}\" is not a cache size; write for example 8GB, 512MiB or 25%", text);
  }
  size.percent = percent;
  return size;
}

Result<EngineSizes> settle_sizes(const EngineOptions& options, const ModelConfig& config) {
  const size_t chunk_tokens = options.chunk_tokens == 0 ? kShortestChunkTokens : options.chunk_tokens;
  EngineSizes sizes{options.context_tokens, chunk_tokens, options.threads, options.parallel};
  sizes.keep_prompts = options.keep_prompts;
  sizes.shared_chunk_tokens = std::min(
      chunk_tokens, options.stream == StreamMode::kResident ? kSharedTokensInMemory : kSharedTokensStreamed);
  if (sizes.context_tokens == 0) {
    sizes.context_tokens = std::min<uint64_t>(kDefaultContextTokens, config.max_position_embeddings);
  }
  if (sizes.context_tokens > config.max_position_embeddings) {
    return fail(ErrorCode::kInvalidArgument,
                "a context of {} tokens was asked for; the model has positions for {}", sizes.context_tokens,
                config.max_position_embeddings);
  }
  if (sizes.chunk_tokens > kMaxChunkTokens) {
    return fail(ErrorCode::kInvalidArgument, "a chunk of {} tokens was asked for; expected 1 to {}",
                sizes.chunk_tokens, kMaxChunkTokens);
  }
  if (sizes.threads == 0) sizes.threads = usable_cores();
  if (sizes.threads > kMaxThreads) {
    return fail(ErrorCode::kInvalidArgument, "{} threads were asked for; expected 1 to {}", sizes.threads,
                kMaxThreads);
  }
  if (options.sessions == 0 || options.sessions > kMaxSessions) {
    return fail(ErrorCode::kInvalidArgument, "{} sessions were asked for; expected 1 to {}", options.sessions,
                kMaxSessions);
  }
  if (options.parallel == 0 || options.parallel > options.sessions) {
    return fail(ErrorCode::kInvalidArgument,
                "{} generations in parallel were asked for; expected 1 to {}, the number of sessions",
                options.parallel, options.sessions);
  }
  if (options.read_threads == 0 || options.read_threads > kMaxThreads) {
    return fail(ErrorCode::kInvalidArgument, "{} read threads were asked for; expected 1 to {}",
                options.read_threads, kMaxThreads);
  }
  return sizes;
}

Result<MemoryPlan> plan_memory(const EngineOptions& options, const EngineSizes& sizes,
                               const ModelConfig& config, const ExpertCatalog& catalog, uint64_t dense_bytes,
                               uint64_t available_bytes) {
  MemoryPlan plan;
  plan.available_bytes = available_bytes;
  plan.dense_bytes = dense_bytes;
  const auto shape = Model::state_shape(config, options.row_format);
  const uint64_t mark_bytes = sizes.keep_prompts ? SequenceMark::bytes(shape) : 0;
  plan.kv_bytes =
      options.sessions * (SequenceState::bytes_when_full(shape, sizes.context_tokens) + mark_bytes);
  plan.workspace_bytes = Model::workspace_bytes(config, sizes.pass_tokens(), options.numerics) +
                         Stepper::buffer_bytes(config, sizes, shape);
  plan.program_bytes = program_bytes(options, sizes, config, catalog);
  plan.slot_bytes = SlotLayout(catalog, kPlannedAlignmentBytes).slot_bytes();
  plan.experts = catalog.expert_count();
  const uint64_t least = options.stream == StreamMode::kDirect ? uint64_t{config.num_experts_per_tok}
                                                               : min_slots(options.stream, catalog);
  plan.slots = wanted_slots(options, plan);
  if (options.cache && plan.slots < least) {
    return fail(
        ErrorCode::kOutOfBudget,
        "the cache asked for holds {} of {} experts; {} are the least that work, one for each expert of a "
        "token: ask for {} or more",
        plan.slots, plan.experts, least, format_bytes(least * plan.slot_bytes));
  }
  plan.slots = std::max(plan.slots, least);
  plan.experts_bytes = plan.slots * plan.slot_bytes;
  if (available_bytes != 0 && plan.total_bytes() > available_bytes) {
    const uint64_t least_bytes = plan.total_bytes() - plan.experts_bytes + least * plan.slot_bytes;
    return fail(
        ErrorCode::kOutOfBudget,
        "{} are needed ({} dense weights, {} for {} of {} tokens, {} workspace, {} program, {} for {} "
        "expert slots) "
        "and {} are available; mode {} works from {} on: ask for a smaller --cache or --context",
        format_bytes(plan.total_bytes()), format_bytes(plan.dense_bytes), format_bytes(plan.kv_bytes),
        options.sessions == 1 ? "a context" : fmt::format("{} contexts", options.sessions),
        sizes.context_tokens, format_bytes(plan.workspace_bytes), format_bytes(plan.program_bytes),
        format_bytes(plan.experts_bytes), plan.slots, format_bytes(available_bytes),
        stream_mode_name(options.stream), format_bytes(least_bytes));
  }
  return plan;
}

Result<SettledPlan> settle_plan(const EngineOptions& options, const ModelConfig& config,
                                const ExpertCatalog& catalog, uint64_t dense_bytes,
                                uint64_t available_bytes) {
  SettledPlan settled;
  SLUICE_ASSIGN(settled.sizes, settle_sizes(options, config));
  const auto plan = [&](size_t chunk_tokens) {
    settled.sizes.chunk_tokens = chunk_tokens;
    return plan_memory(options, settled.sizes, config, catalog, dense_bytes, available_bytes);
  };
  if (options.chunk_tokens == 0) {
    for (size_t longer = kLongestChunkTokens; longer > kShortestChunkTokens; longer /= 2) {
      if (longer > settled.sizes.context_tokens) continue;
      auto planned = plan(longer);
      if (!planned || planned->workspace_bytes > available_bytes / kChunkShare) continue;
      settled.memory = *std::move(planned);
      return settled;
    }
  }
  SLUICE_ASSIGN(settled.memory,
                plan(options.chunk_tokens == 0 ? kShortestChunkTokens : options.chunk_tokens));
  return settled;
}

}  // namespace sluice
