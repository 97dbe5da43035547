// sluice serve: the model for programs, over HTTP.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "base/fail.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/interrupts.h"
#include "cli/model_options.h"
#include "engine/loaded_model.h"
#include "engine/snapshot_owner.h"
#include "server/api.h"
#include "server/http_server.h"

namespace sluice {
namespace {

// For what cannot be stopped halfway, a layer of a pass or a read of a disk that hangs: a process that was
// told to end, ends.
constexpr unsigned kShutdownLimitSeconds = 15;

constexpr size_t kSessions = 4;
constexpr size_t kParallel = 4;

struct ServeOptions {
  ModelOptions model;
  std::string host = "127.0.0.1";
  uint16_t port = 8080;
  std::string api_key;
  bool insecure = false;
  std::string cors;
  std::string name;
  size_t queue = 32;
  size_t connections = 128;
  std::string max_body = "4MB";
  unsigned request_timeout_seconds = 60;
  std::string kv_folder;  // empty: nothing is kept on disk
  std::string kv_disk;    // empty: SnapshotStore::kDefaultLimitBytes
};

Status check(const ServeOptions& options) {
  if (!options.api_key.empty() || options.insecure || is_loopback_host(options.host)) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      "--host {} lets other machines in: set a key with $SLUICE_API_KEY or --api-key, or say --insecure",
      options.host);
}

HttpServerOptions http_options(const ServeOptions& options, uint64_t body_bytes, const Api& api) {
  HttpServerOptions http;
  http.host = options.host;
  http.port = options.port;
  http.limits.body_bytes = body_bytes;
  http.connections = options.connections;
  http.request_timeout = std::chrono::seconds(options.request_timeout_seconds);
  http.describe = [&api](const HttpRequest& request, int status, const std::string& message) {
    return api.error(request, status, message);
  };
  return http;
}

std::string model_name(const ServeOptions& options, Engine& engine) {
  if (!options.name.empty()) return options.name;
  const auto folder = std::filesystem::absolute(engine.loaded().checkpoint.folder()).lexically_normal();
  const auto name = folder.filename().empty() ? folder.parent_path().filename() : folder.filename();
  return name.empty() ? "model" : name.string();
}

// How many bytes snapshots may take, before anything slow is done.
Result<uint64_t> snapshot_limit(const ServeOptions& options) {
  if (options.kv_disk.empty()) return SnapshotStore::kDefaultLimitBytes;
  if (options.kv_folder.empty())
    return fail(ErrorCode::kInvalidArgument,
                "--kv-disk says how much --kv-dir may take; there is no --kv-dir");
  auto bytes = parse_bytes(options.kv_disk);
  if (!bytes) return tl::unexpected(std::move(bytes).error().in("--kv-disk"));
  return bytes;
}

// Null when nothing is kept on disk.
Result<std::unique_ptr<SnapshotStore>> open_store(const ServeOptions& options, uint64_t limit_bytes,
                                                  Engine& engine) {
  if (options.kv_folder.empty()) return nullptr;
  auto store = SnapshotStore::open(options.kv_folder, limit_bytes, snapshot_owner(engine.loaded()));
  if (!store) return tl::unexpected(std::move(store).error().in("--kv-dir"));
  return store;
}

Result<ExitCode> serve(const ServeOptions& options, Console& console) {
  SLUICE_TRY(check(options));
  auto body_bytes = parse_bytes(options.max_body);
  if (!body_bytes) return tl::unexpected(std::move(body_bytes).error().in("--max-body"));
  SLUICE_ASSIGN(const uint64_t snapshot_bytes, snapshot_limit(options));
  SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_signals({SIGINT, SIGTERM}));
  const InterruptWatch watch(interrupts);
  SLUICE_ASSIGN(const auto engine, open_engine(options.model, console, watch.token()));
  SLUICE_ASSIGN(const auto store, open_store(options, snapshot_bytes, *engine));
  Metrics metrics;
  const size_t sessions = std::max(options.model.sessions, options.model.parallel);
  Scheduler scheduler(*engine, {options.queue, sessions, options.model.parallel}, metrics, store.get());
  const std::string name = model_name(options, *engine);
  Api api(*engine, scheduler, metrics,
          {name, {options.api_key, options.cors, is_loopback_host(options.host)}}, store.get());
  SLUICE_ASSIGN(const auto server,
                HttpServer::listen(http_options(options, *body_bytes, api),
                                   [&api](HttpExchange& exchange) { api.handle(exchange); }));
  console.out.write(fmt::format("{} is served at {} (Ctrl-C ends it)\n", name, server->address()));
  const std::stop_callback limit(watch.token(), [] { alarm(kShutdownLimitSeconds); });
  server->serve(watch.token());
  return ExitCode::kOk;
}

void add_server_options(CLI::App& command, ServeOptions& options) {
  constexpr const char* kGroup = "Server";
  command
      .add_option("--host", options.host, "the address to listen on; default: 127.0.0.1, this machine only")
      ->type_name("ADDRESS")
      ->group(kGroup);
  command.add_option("--port", options.port, "default: 8080; 0: any that is free")
      ->type_name("PORT")
      ->group(kGroup);
  command.add_option("--api-key", options.api_key, "what clients must send; better in $SLUICE_API_KEY")
      ->envname("SLUICE_API_KEY")
      ->type_name("KEY")
      ->group(kGroup);
  command.add_flag("--insecure", options.insecure, "no key, though other machines can reach the server")
      ->group(kGroup);
  command.add_option("--cors", options.cors, "let pages of this origin use the server; * for any")
      ->type_name("ORIGIN")
      ->group(kGroup);
  command.add_option("--name", options.name, "the model's name for clients; default: its folder's")
      ->type_name("NAME")
      ->group(kGroup);
  command
      .add_option("--queue", options.queue,
                  "requests that may wait; more are told to come again. Default: 32")
      ->type_name("N")
      ->group(kGroup);
  command.add_option("--connections", options.connections, "at once; default: 128")
      ->check(CLI::Range(1, 10000).description(""))
      ->type_name("N")
      ->group(kGroup);
  command.add_option("--max-body", options.max_body, "the largest request; default: 4MB")
      ->type_name("SIZE")
      ->group(kGroup);
  command
      .add_option("--request-timeout", options.request_timeout_seconds,
                  "seconds a request may take to come; default: 60")
      ->check(CLI::Range(1, 86400).description(""))
      ->type_name("SECONDS")
      ->group(kGroup);
  command
      .add_option(
          "--kv-dir", options.kv_folder,
          "keep long prompts' states in this folder, so that they are not computed again after a restart, "
          "or when memory had to forget them")
      ->type_name("DIR")
      ->group(kGroup);
  command
      .add_option(
          "--kv-disk", options.kv_disk,
          "what they may take there; those not used for longest go first. Default: 10GB, and at most half "
          "of what the disk has free")
      ->type_name("SIZE")
      ->group(kGroup);
}

}  // namespace

Command add_serve_command(CLI::App& app) {
  auto options = std::make_shared<ServeOptions>();
  options->model.sessions = kSessions;
  options->model.parallel = kParallel;
  options->model.keep_prompts = true;
  auto* command = app.add_subcommand("serve", "an HTTP server in OpenAI's and Anthropic's shapes");
  add_server_options(*command, *options);
  add_model_option(*command, options->model);
  add_streaming_options(*command, options->model);
  add_numerics_option(*command, options->model);
  add_sequence_options(*command, options->model);
  add_request_options(*command, options->model);
  command->footer(
      "Examples:\n"
      "  sluice serve\n"
      "  curl http://127.0.0.1:8080/v1/chat/completions \\\n"
      "    -d '{\"messages\": [{\"role\": \"user\", \"content\": \"What is 7 + 8?\"}]}'\n"
      "  SLUICE_API_KEY=secret sluice serve --host 0.0.0.0       # for other machines too\n"
      "OpenAI's clients take http://127.0.0.1:8080/v1 as their base URL, Anthropic's http://127.0.0.1:8080.\n"
      "docs/server.md has examples; /openapi.json and /metrics are for programs.");
  return [options](Console& console) { return serve(*options, console); };
}

}  // namespace sluice
