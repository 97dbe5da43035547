#include "cli/model_options.h"

#include <CLI/CLI.hpp>

#include "base/fail.h"
#include "base/units.h"
#include "cli/find_model.h"

namespace sluice {
namespace {

StreamMode stream_mode_of(const std::string& name) {
  if (name == "resident") return StreamMode::kResident;
  return name == "mmap" ? StreamMode::kMmap : StreamMode::kDirect;
}

ReaderKind reader_kind_of(const std::string& name) {
  if (name == "uring") return ReaderKind::kUring;
  return name == "pread" ? ReaderKind::kPread : ReaderKind::kAuto;
}

PrefetchMode prefetch_mode_of(const std::string& name) {
  if (name == "off") return PrefetchMode::kOff;
  return name == "certain" ? PrefetchMode::kCertain : PrefetchMode::kLikely;
}

// In $XDG_CACHE_HOME/sluice or ~/.cache/sluice; empty when neither can be told.
std::filesystem::path heat_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache != '\0') return std::filesystem::path(cache) / "sluice";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return {};
  return std::filesystem::path(home) / ".cache" / "sluice";
}

// Loading a large checkpoint only to find that it has no tokenizer would be unkind.
Status check_tokenizer(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder / "config.json", error)) return {};  // opening it says so better
  if (std::filesystem::exists(folder / "tokenizer.json", error)) return {};
  return fail(ErrorCode::kNotFound, "{}: there is no tokenizer.json, so text cannot become tokens",
              folder.string());
}

RowFormat row_format_of(const std::string& name) {
  if (name == "f16") return RowFormat::kF16;
  return name == "bf16" ? RowFormat::kBF16 : RowFormat::kF32;
}

}  // namespace

void add_model_option(CLI::App& app, ModelOptions& options) {
  app.add_option("-m,--model", options.folder,
                 "the checkpoint's folder; else $SLUICE_MODEL, else models/tiny-v4")
      ->type_name("DIR")
      ->group("Model");
}

void add_streaming_options(CLI::App& app, ModelOptions& options) {
  app.add_option("--stream", options.stream, "where experts live: direct (default), mmap or resident")
      ->check(CLI::IsMember({"direct", "mmap", "resident"}).description(""))
      ->type_name("MODE")
      ->group("Model");
  app.add_option("--cache", options.cache, "room for experts, as 8GB, 512MiB or 25%; default: what fits")
      ->type_name("SIZE")
      ->group("Model");
  app.add_option("--threads", options.threads, "threads that compute; default: one per core")
      ->type_name("N")
      ->group("Model");
  app.add_option("--reader", options.reader, "how experts are read: auto (default), uring or pread")
      ->check(CLI::IsMember({"auto", "uring", "pread"}).description(""))
      ->type_name("KIND")
      ->group("Model");
  app.add_option("--policy", options.policy,
                 "which expert makes room: forecast (default), lru or decayed-frequency")
      ->check(CLI::IsMember({"forecast", "lru", "decayed-frequency"}).description(""))
      ->type_name("NAME")
      ->group("Model");
  app.add_flag("--no-heat", options.no_heat,
               "neither warm the cache with what earlier runs learnt nor keep what this one learns")
      ->group("Model");
  app.add_flag("--verify-reads", options.verify_reads,
               "compare every expert that is read with the digests that sluice checksum wrote")
      ->group("Model");
  app.add_option("--prefetch", options.prefetch,
                 "what is read ahead: likely (default; guesses too), certain, or off")
      ->check(CLI::IsMember({"likely", "certain", "off"}).description(""))
      ->type_name("WHAT")
      ->group("Model");
  app.add_option("--kv", options.kv,
                 "how what a context keeps is stored: f32 (default), f16 or bf16, which halve its memory")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}).description(""))
      ->type_name("FORMAT")
      ->group("Model");
  app.add_option("--read-threads", options.read_threads,
                 "threads that load, and read experts without io_uring; default: 8")
      ->type_name("N")
      ->group("Model");
}

void add_numerics_option(CLI::App& app, ModelOptions& options) {
  app.add_option("--numerics", options.numerics,
                 "exact: float32 throughout; fast: what quantised weights meet rounded to 16 bits, which "
                 "computes prompts faster, with AMX three times as fast; default: " +
                     options.numerics)
      ->check(CLI::IsMember({"exact", "fast"}).description(""))
      ->type_name("NAME")
      ->group("Model");
}

void add_sequence_options(CLI::App& app, ModelOptions& options) {
  app.add_option("--context", options.context_tokens,
                 "tokens the context holds; default: 32768, or the model's limit")
      ->type_name("N")
      ->group("Model");
  app.add_option("--chunk", options.chunk_tokens,
                 "tokens of a prompt taken in at once; default: 512 to 2048, by the memory at hand")
      ->type_name("N")
      ->group("Model");
}

void add_request_options(CLI::App& app, ModelOptions& options) {
  app.add_option(
         "--parallel", options.parallel,
         fmt::format("requests that are answered at once, in shared passes; default: {}", options.parallel))
      ->check(CLI::Range(1, 1024).description(""))
      ->type_name("N")
      ->group("Model");
  app.add_option(
         "--sessions", options.sessions,
         fmt::format("conversations kept in memory, so that they go on without being read again; at least "
                     "as many as --parallel; default: {}",
                     options.sessions))
      ->check(CLI::Range(1, 1024).description(""))
      ->type_name("N")
      ->group("Model");
}

Result<EngineOptions> engine_options(const ModelOptions& options) {
  EngineOptions engine;
  engine.stream = stream_mode_of(options.stream);
  engine.threads = options.threads;
  engine.numerics = options.numerics == "fast" ? Numerics::kFast : Numerics::kExact;
  engine.row_format = row_format_of(options.kv);
  engine.policy = options.policy;
  engine.verify_reads = options.verify_reads;
  if (!options.no_heat) engine.heat_folder = heat_folder();
  engine.prefetch = prefetch_mode_of(options.prefetch);
  engine.reader = reader_kind_of(options.reader);
  if (!options.reader.empty() && engine.stream == StreamMode::kMmap) {
    return fail(ErrorCode::kInvalidArgument,
                "--reader is for --stream direct and resident: mmap leaves reading to the system");
  }
  engine.read_threads = options.read_threads;
  engine.context_tokens = options.context_tokens;
  engine.chunk_tokens = options.chunk_tokens;
  engine.sessions = std::max(options.sessions, options.parallel);
  engine.parallel = options.parallel;
  engine.keep_prompts = options.keep_prompts;
  if (!options.cache.empty()) {
    auto cache = CacheSize::parse(options.cache);
    if (!cache) return tl::unexpected(std::move(cache).error().in("--cache"));
    if (engine.stream != StreamMode::kDirect) {
      return fail(ErrorCode::kInvalidArgument,
                  "--cache is for --stream direct: resident holds every expert, and mmap leaves them to the "
                  "page cache");
    }
    engine.cache = *cache;
  }
  SLUICE_ASSIGN(engine.model_folder, find_model(places_of_this_process(options.folder)));
  return engine;
}

std::function<void(const LoadProgress&)> show_loading(ProgressLine& line) {
  return [&line](const LoadProgress& progress) {
    line.update_bytes(std::string("loading ") + progress.what, progress.bytes_done, progress.bytes_total);
  };
}

Result<std::unique_ptr<Engine>> open_engine(const ModelOptions& options, Console& console,
                                            const std::stop_token& cancel) {
  SLUICE_ASSIGN(EngineOptions engine_choice, engine_options(options));
  SLUICE_TRY(check_tokenizer(engine_choice.model_folder));
  ProgressLine line(console.err);
  if (!console.quiet) engine_choice.on_progress = show_loading(line);
  engine_choice.cancel = cancel;
  SLUICE_ASSIGN(auto engine, Engine::open(engine_choice));
  line.clear();
  if (console.verbose) {
    console.err.write(engine_choice.model_folder.string() + "\n" +
                      describe_plan(engine->memory_plan(), engine->stream_mode()));
  }
  return engine;
}

std::string describe_plan(const MemoryPlan& plan, StreamMode mode) {
  std::string experts =
      fmt::format("{}: {} of {} experts", format_bytes(plan.experts_bytes), plan.slots, plan.experts);
  if (mode == StreamMode::kMmap) experts = fmt::format("in the page cache: {} experts", plan.experts);
  return fmt::format(
      "  dense weights  {}\n"
      "  context        {}\n"
      "  workspace      {}\n"
      "  program        {}\n"
      "  experts        {} ({})\n"
      "  together       {} of {} available\n",
      format_bytes(plan.dense_bytes), format_bytes(plan.kv_bytes), format_bytes(plan.workspace_bytes),
      format_bytes(plan.program_bytes), experts, stream_mode_name(mode), format_bytes(plan.total_bytes()),
      plan.available_bytes == 0 ? "an unknown amount" : format_bytes(plan.available_bytes));
}

}  // namespace sluice
