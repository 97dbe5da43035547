// The options that say which model runs and how, shared by the subcommands.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "cli/console.h"
#include "cli/progress_line.h"
#include "sluice/engine.h"

namespace sluice {

struct ModelOptions {
  std::string folder;  // -m; empty: see find_model.h
  std::string stream = "direct";
  std::string cache;   // empty: what fits
  std::string reader;  // empty: auto
  std::string policy;  // empty: the engine's choice
  bool verify_reads = false;
  bool no_heat = false;
  std::string prefetch;  // empty: all
  std::string numerics = "fast";
  std::string kv = "f32";
  size_t threads = 0;
  size_t read_threads = 8;
  uint64_t context_tokens = 0;
  size_t chunk_tokens = 0;  // 0: left to the engine
  size_t sessions = 1;      // at least as many as parallel
  size_t parallel = 1;
  bool keep_prompts = false;  // EngineOptions::keep_prompts
};

// Declares --numerics, with options.numerics as its default.
void add_numerics_option(CLI::App& app, ModelOptions& options);

// Declares -m; --stream, --cache, --reader, --threads, --read-threads; --context, --chunk. `options` must
// live as long as `app`.
void add_model_option(CLI::App& app, ModelOptions& options);
void add_streaming_options(CLI::App& app, ModelOptions& options);
void add_sequence_options(CLI::App& app, ModelOptions& options);
// --parallel, --sessions: for what answers several requests.
void add_request_options(CLI::App& app, ModelOptions& options);

// Checks the options and finds the model's folder. kInvalidArgument names the option.
Result<EngineOptions> engine_options(const ModelOptions& options);

// Shows a checkpoint's loading on `line`, which must outlive the function.
std::function<void(const LoadProgress&)> show_loading(ProgressLine& line);

// Opens an engine that text can be given to: kNotFound, before anything is loaded, when the folder has no
// tokenizer. Progress goes to console.err, and with --verbose the memory plan too.
Result<std::unique_ptr<Engine>> open_engine(const ModelOptions& options, Console& console,
                                            const std::stop_token& cancel);

// What --verbose says about where memory goes: a few lines.
std::string describe_plan(const MemoryPlan& plan, StreamMode mode);

}  // namespace sluice
