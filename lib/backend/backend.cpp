#include "lib/backend/backend.h"

namespace r1 {

// Keeps the class's table of functions in one object file.
Backend::~Backend() = default;

}  // namespace r1
