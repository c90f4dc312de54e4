// Compares with a file of golden/; HEADGATE_GOLDEN_UPDATE=1 rewrites it.
#pragma once

#include <string>

namespace headgate::control {

void expect_golden(const std::string& name, const std::string& text);

}  // namespace headgate::control
