#include "cli/engine_partner.h"

#include <fmt/format.h>

#include <utility>

#include "base/units.h"
#include "cli/model_options.h"
#include "cli/progress_line.h"
#include "cli/summary.h"
#include "text/tokenizer.h"

namespace sluice {

Result<ChatPartner::Reply> EnginePartner::answer(const Conversation& conversation, const ChatOptions& options,
                                                 TurnPrinter printer, const std::stop_token& cancel) {
  SLUICE_ASSIGN(const Prompt prompt, encode_chat(conversation, options));
  GenerationRequest request;
  request.context_ids = engine_.tokenizer()->encode(prompt);
  request.max_new_tokens = options_.max_tokens;
  request.sampling = apply_flags(options_.sampling, engine_.default_sampling());
  request.cancel = cancel;
  AnswerPrinter answer(*engine_.tokenizer(), options.thinking_mode, printer);
  auto generated = generate(std::move(request), answer);
  const bool ended = generated && generated->finish == FinishReason::kEndOfText;
  ChatMessage message = answer.finish(ended ? end_of_turn_text(engine_) : "");
  if (!generated) return tl::unexpected(std::move(generated).error());
  return Reply{.message = std::move(message),
               .new_tokens = generated->stats.new_tokens,
               .cost = summary_of(*generated),
               .context_full = generated->finish == FinishReason::kContextFull};
}

Result<GenerationResult> EnginePartner::generate(GenerationRequest request, AnswerPrinter& printer) {
  SLUICE_ASSIGN(LiveFigures figures, LiveFigures::start(options_.live, console_, engine_));
  ProgressLine line(console_.err);
  request.on_prefill = [&, known = uint64_t{0}](uint64_t done, uint64_t total) mutable {
    figures.on_tokens(EnginePhase::kPrefill, done - std::exchange(known, done));
    if (!console_.quiet) line.update_tokens("reading", done, total);
  };
  request.on_token = [&, passes = uint64_t{0}](int32_t id) mutable {
    line.clear();
    figures.on_tokens(EnginePhase::kDecode, std::exchange(passes, 1));
    printer.push(id);
    return console_.out.status().has_value();  // nobody to write for: stop
  };
  auto generated = session_.generate(request);
  line.clear();
  SLUICE_TRY(figures.finish());
  return generated;
}

Result<std::string> EnginePartner::state(const std::stop_token&) {
  const StreamCounters totals = engine_.counters();
  return fmt::format(
             "experts: {} hits, {} misses, {} read in {} reads, {} evictions, {} failed reads\n"
             "context: {} of {} tokens\n",
             totals.hits, totals.misses, format_bytes(totals.read_bytes), totals.reads, totals.evictions,
             totals.failed_reads, session_.tokens_held(), session_.context_tokens()) +
         describe_plan(engine_.memory_plan(), engine_.stream_mode());
}

}  // namespace sluice
