// Sluice's public face: open a checkpoint, generate text from it.
//
//   auto engine = sluice::Engine::open({.model_folder = "models/tiny-v4"});
//   if (!engine) return report(engine.error());
//   auto session = (*engine)->new_session();
//   sluice::GenerationRequest request;
//   request.context_ids = (*engine)->tokenize_prompt("Once upon a time").value();
//   auto result = session->generate(request);
//
// Thread rule: one thread at a time uses an engine and its sessions; counters() may be read from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/numerics.h"
#include "sluice/result.h"
#include "sluice/sampling.h"
#include "sluice/streaming.h"

namespace sluice {

class ForwardObserver;
class Stepper;
class Tokenizer;
struct LoadedModel;

// The room that routed experts may take: a number of bytes, or a share of all experts.
struct CacheSize {
  uint64_t bytes = 0;
  std::optional<double> percent;  // 0 < percent <= 100; bytes is ignored when it is set

  // "8GB", "1.5GiB", "25%". kInvalidArgument, quoting the text, for anything else.
  static Result<CacheSize> parse(std::string_view text);
};

// Called while a checkpoint loads: first for dense weights, then (resident mode) for experts.
struct LoadProgress {
  const char* what = "";  // "dense weights", "experts"
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
};

struct EngineOptions {
  std::filesystem::path model_folder;
  StreamMode stream = StreamMode::kDirect;
  std::optional<CacheSize> cache;          // kDirect; unset: what the machine has left, at most all experts
  size_t threads = 0;                      // that compute; 0: one per core
  Numerics numerics = Numerics::kFast;     // which verify finds within its bounds
  RowFormat row_format = RowFormat::kF32;  // of what sequences keep: 16 bits an element halve kv_bytes
  ReaderKind reader = ReaderKind::kAuto;   // kDirect and kResident: what reads experts
  std::string policy;  // kDirect: "forecast", "lru" or "decayed-frequency"; empty: the first of them
  // Every expert that is read is compared with the checkpoint's digests (sluice checksum). Opening fails with
  // kNotFound when there are none.
  bool verify_reads = false;
  // kDirect: where what runs learn about a checkpoint's experts is kept from one to the next, a file for each
  // checkpoint; empty: it is not.
  std::filesystem::path heat_folder;
  PrefetchMode prefetch = PrefetchMode::kLikely;
  size_t read_threads = 8;      // that load, and that read experts without io_uring
  uint64_t context_tokens = 0;  // per session; 0: 32768, or the model's own limit when that is less
  size_t sessions = 1;          // that live at once: the memory plan holds the state of each
  size_t parallel = 1;          // generations that share a pass; at most as many as sessions
  size_t chunk_tokens = 0;  // prefill takes so many tokens at a time; 0: 512 to 2048, by the memory at hand
  // Sessions can go back to the end of their last long prompt, whatever was generated after it: an answer is
  // tried again, or is not sent again as it was made. The memory plan holds for that what is said of it in
  // engine/session_state.h, and a long prompt takes one pass more, with its last token alone.
  bool keep_prompts = false;
  std::function<void(const LoadProgress&)> on_progress;
  std::stop_token cancel;  // opening ends with kCancelled
};

// Where the memory goes, computed before any of it is taken. Opening an engine keeps to it or refuses.
struct MemoryPlan {
  uint64_t available_bytes = 0;  // what the machine (and its control group) has left
  uint64_t dense_bytes = 0;      // weights that every token uses
  uint64_t kv_bytes = 0;         // all sessions with full contexts
  uint64_t workspace_bytes = 0;  // scratch of a forward pass
  uint64_t program_bytes = 0;    // the program itself, its tokenizer, and what it knows of every tensor
  uint64_t slot_bytes = 0;       // one expert slot
  uint64_t slots = 0;            // how many; 0 in mmap mode, where the page cache decides
  uint64_t experts = 0;          // all routed experts of the checkpoint
  uint64_t experts_bytes = 0;    // the slots together
  uint64_t total_bytes() const {
    return dense_bytes + kv_bytes + workspace_bytes + program_bytes + experts_bytes;
  }
};

enum class FinishReason {
  kEndOfText,    // the model ended its text
  kMaxTokens,    // as many tokens as were asked for
  kContextFull,  // no room for another token
  kCancelled,    // request.cancel, or on_token said so
};
const char* finish_reason_name(
    FinishReason reason);  // "end_of_text", "max_tokens", "context_full", "cancelled"

struct GenerationRequest {
  // Everything the model shall have seen before it goes on: the whole conversation so far, encoded. What the
  // session has already taken in is not computed again as far as Session::reusable_tokens says; the rest of
  // it is forgotten.
  std::vector<int32_t> context_ids;
  // EngineOptions::keep_prompts: after how many tokens of the context the session can go back to, instead of
  // before the last one; for what other contexts begin with too. 0, or what is not left to take in: not
  // asked.
  uint64_t mark_tokens = 0;
  uint64_t max_new_tokens = 0;  // 0: until the text or the context ends
  SamplingOptions sampling;
  bool stop_at_end_of_text = true;
  // How far the context is read: after each pass, and after a layer where that comes to a token more, all
  // layers of a pass being thought to take as long. Rises up to the total.
  std::function<void(uint64_t tokens_done, uint64_t tokens_total)> on_prefill;
  std::function<bool(int32_t id)> on_token;  // every new token but the one that ends the text; false: stop
  // What each new token is chosen from, before it is: [vocabulary], valid until on_token returns. May be
  // empty.
  std::function<void(std::span<const float> logits)> on_logits;
  // Looked at between passes, and within one that reads more than a token of some context: before every
  // layer, and while its experts arrive. The session then holds what passes before it have taken in.
  std::stop_token cancel;
  // For the rooms above: looks into every forward pass (model/forward_context.h). Null, or outlives the call.
  ForwardObserver* observer = nullptr;
};

struct GenerationStats {
  uint64_t prompt_tokens = 0;  // context_ids
  uint64_t reused_tokens = 0;  // of these, already in the session
  uint64_t new_tokens = 0;     // generated, the one that ends the text included
  uint64_t prefill_ns = 0;     // wall time
  uint64_t decode_ns = 0;
  StreamCounters prefill;  // what moving experts cost the engine meanwhile, in each phase
  StreamCounters decode;
};

struct GenerationResult {
  std::vector<int32_t> ids;  // new tokens, without the one that ends the text
  FinishReason finish = FinishReason::kMaxTokens;
  GenerationStats stats;
};

// One sequence of an engine; must end before its engine does.
class Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Takes in request.context_ids and generates. kInvalidArgument for an empty context, ids outside the
  // vocabulary or sampling options out of range, kOutOfBudget when context_ids alone do not fit: the session
  // is then as it was. kIo when an expert could not be read, and any other error: the session is then empty,
  // and the next request works.
  Result<GenerationResult> generate(const GenerationRequest& request);

  uint64_t context_tokens() const;            // the most this session can hold
  uint64_t tokens_held() const;               // what it has taken in so far
  std::span<const int32_t> ids_held() const;  // until it takes in more
  // How many of a context's tokens generate() would not compute again: all that the session holds, or else
  // all that it held at the end of its last prompt (EngineOptions::keep_prompts), where they are a proper
  // prefix.
  uint64_t reusable_tokens(std::span<const int32_t> context) const;
  void clear();

  // Writes what it holds to a file, in the place of the one that is there, at once or not at all. kIo.
  Status save(const std::filesystem::path& path) const;
  // Puts what save() wrote in the place of what it holds: the session is then, to the bit, what it would be
  // had it taken in those tokens itself. kNotFound, kIo; kCorrupt when the file is damaged or no such file,
  // kUnsupported for another version of it, kInvalidArgument when it was saved with another checkpoint, other
  // numerics or another build of the program, kOutOfBudget when it holds more tokens than this session can:
  // the session is then as it was; but empty when the damage showed only beyond the file's head.
  Status restore(const std::filesystem::path& path);

 private:
  friend class Engine;
  friend class Generation;
  friend class SessionSnapshot;
  struct State;
  explicit Session(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// What Session::generate does, taken apart, so that several sessions can share every pass over the layers:
//
//   const std::array together{&one, &other};
//   while (!one.is_over() || !other.is_over()) SLUICE_TRY(engine.step(together));
//
// What each generates does not depend on the others. Movable; may be dropped at any time, and its session
// then holds what it has taken in.
class Generation {
 public:
  // Errors that leave the session as it was, as of Session::generate. `session` must live as long as this
  // object and is its own until then.
  static Result<Generation> begin(Session& session, GenerationRequest request);
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();

  bool is_over() const;
  // What Session::generate returns. Once; REQUIRES is_over().
  Result<GenerationResult> take_result();

 private:
  friend class Stepper;
  struct State;
  explicit Generation(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// What one pass over the layers was for.
struct StepFigures {
  size_t sequences = 0;
  size_t tokens = 0;  // that were taken in
};

class Engine {
 public:
  // Loads the dense weights and opens the experts. Errors name the file, tensor or option; kOutOfBudget says
  // the least that would work.
  static Result<std::unique_ptr<Engine>> open(const EngineOptions& options);
  ~Engine();

  Result<Session> new_session();

  // One pass for all `generations`, of different sessions of this engine: each that is not over takes in the
  // token that it chose last, or the next piece of its prompt, and chooses a token when its prompt is taken
  // in. A prompt alone is cut by chunk_tokens; prompts that share a pass share its tokens, and while others
  // wait for their next token the pieces may be shorter. kInvalidArgument for more generations than
  // EngineOptions::parallel; what befalls one of them is in its own result.
  Result<StepFigures> step(std::span<Generation* const> generations);

  // Null when the folder has no tokenizer.json.
  const Tokenizer* tokenizer() const;
  // The ids of a raw prompt: the beginning-of-text token, then the text with special tokens off.
  // kNotFound without a tokenizer.
  Result<std::vector<int32_t>> tokenize_prompt(std::string_view text) const;

  const MemoryPlan& memory_plan() const;
  StreamCounters counters() const;
  StreamMode stream_mode() const;
  size_t threads() const;
  // What the checkpoint's generation_config.json asks for; SamplingOptions' own values without one.
  const SamplingOptions& default_sampling() const;

  // For the rooms above: the model itself.
  LoadedModel& loaded() { return *loaded_; }

 private:
  friend Result<std::unique_ptr<Engine>> engine_on_model(std::unique_ptr<LoadedModel> loaded);
  Engine() = default;
  std::unique_ptr<LoadedModel> loaded_;
  std::unique_ptr<Stepper> stepper_;  // from the first session on
  std::unique_ptr<Tokenizer> tokenizer_;
  SamplingOptions default_sampling_;
};

}  // namespace sluice
