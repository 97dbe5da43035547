// A model in this process answers.
#pragma once

#include "cli/chat_partner.h"
#include "cli/console.h"
#include "cli/live_figures.h"
#include "cli/sampling_flags.h"
#include "sluice/engine.h"

namespace sluice {

class EnginePartner : public ChatPartner {
 public:
  struct Options {
    SamplingFlags sampling{};
    uint64_t max_tokens = 0;  // of an answer; 0: no limit
    LiveOptions live{};
  };

  // Engine and console must outlive this object. REQUIRES engine.tokenizer() != nullptr.
  EnginePartner(Engine& engine, Session session, Options options, Console& console)
      : engine_(engine), session_(std::move(session)), options_(std::move(options)), console_(console) {}

  Result<Reply> answer(const Conversation& conversation, const ChatOptions& options, TurnPrinter printer,
                       const std::stop_token& cancel) override;
  void forget() override { session_.clear(); }
  Result<std::string> state(const std::stop_token& cancel) override;

 private:
  // Generates, showing how far it is and handing every token to `printer`.
  Result<GenerationResult> generate(GenerationRequest request, AnswerPrinter& printer);

  Engine& engine_;
  Session session_;
  Options options_;
  Console& console_;
};

}  // namespace sluice
