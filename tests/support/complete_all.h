#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lib/tasks/completion.h"

namespace r1::test {

// All requests, at hand from the beginning; the results in the order in which they came out.
inline std::vector<CompletionResult> complete_all(Completer& completer,
                                                  std::vector<CompletionRequest> requests,
                                                  Completer::Callbacks callbacks = {}) {
  std::vector<CompletionResult> results;
  std::size_t next = 0;
  callbacks.next = [&](CompletionRequest& request, bool) {
    if (next == requests.size()) return Completer::Next::end;
    request = std::move(requests[next++]);
    return Completer::Next::request;
  };
  callbacks.done = [&](CompletionResult&& result) { results.push_back(std::move(result)); };
  completer.run(callbacks);
  return results;
}

}  // namespace r1::test
