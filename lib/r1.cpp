#include "lib/r1.h"

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <utility>

#include "lib/backend/open_backend.h"
#include "lib/base/paths.h"
#include "lib/io/model_dir.h"
#include "lib/tasks/completion.h"

namespace r1 {

struct Model::Inside {
  std::unique_ptr<Backend> backend;
  LoadedModel model;
  std::mutex turn;  // one call at a time works on the model
};

namespace {

// The one place of the library that looks at the environment: a program that embeds it has no
// option table to do so.
ModelPlaces places_of_environment(const std::string& share) {
  ModelPlaces places;
  for (const char* name : kModelVariables)
    if (const char* value = std::getenv(name)) places.environment[name] = value;
  places.shipped = share + "/models";
  return places;
}

Completion completion_of(CompletionResult&& result) {
  if (result.error) throw Error(*result.error);
  Answer& answer = result.answers[0];
  return {.text = std::move(answer.text),
          .finish_reason = std::string(finish_name(answer.finish)),
          .prompt_tokens = result.prompt_tokens,
          .completion_tokens = static_cast<std::int64_t>(answer.tokens.size())};
}

CompletionRequest request_of(const std::string& prompt, const CompletionSettings& s) {
  CompletionRequest r;
  r.prefix = prompt;
  if (!s.suffix.empty()) r.suffix = s.suffix;
  r.max_tokens = s.max_tokens;
  r.sampling = {.temperature = s.temperature, .top_k = s.top_k, .top_p = s.top_p, .seed = s.seed};
  r.stop.strings = s.stop;
  return r;
}

}  // namespace

Model Model::from_pretrained(const std::string& name_or_path, const ModelOptions& options) {
  Model model;
  model.inside_ = std::make_shared<Inside>();
  Inside& in = *model.inside_;
  in.backend = open_backend(options.device, {.threads = options.threads});
  const std::string share = options.share.empty() ? R1_SHARE_FOLDER : options.share;
  const std::filesystem::path path = is_there(name_or_path)
                                         ? std::filesystem::path(name_or_path)
                                         : find_model(name_or_path, places_of_environment(share));
  in.model =
      load_model_with_text(*in.backend, name_or_path, path,
                           {.dtype = options.dtype, .kv_type = options.kv_type, .data_dir = share});
  return model;
}

CodeCompletionPipeline::CodeCompletionPipeline(Model model) : model_(std::move(model)) {}

Completion CodeCompletionPipeline::operator()(std::string_view prompt,
                                              const CompletionSettings& settings) const {
  return (*this)(std::vector<std::string>{std::string(prompt)}, settings)[0];
}

std::vector<Completion> CodeCompletionPipeline::operator()(
    const std::vector<std::string>& prompts, const CompletionSettings& settings) const {
  Model::Inside& in = *model_.inside();
  const std::lock_guard lock(in.turn);
  std::vector<Completion> out;
  std::size_t next = 0;
  Completer completer(*in.backend, in.model, {});
  Completer::Callbacks callbacks;
  callbacks.next = [&](CompletionRequest& request, bool) {
    if (next == prompts.size()) return Completer::Next::end;
    request = request_of(prompts[next++], settings);
    return Completer::Next::request;
  };
  callbacks.done = [&](CompletionResult&& result) {
    out.push_back(completion_of(std::move(result)));
  };
  completer.run(callbacks);
  return out;
}

}  // namespace r1
