#ifndef SPECULA_CTL_UI_PROMPT_H_
#define SPECULA_CTL_UI_PROMPT_H_

#include "ctl/ui/keys.h"

// The line that is being typed, and what comes of it. Pure.
namespace specula::ctl {

// Opens a prompt with `text` in it.
void OpenPrompt(Prompt::Kind kind, std::string label, std::string text,
                TopState& state);

// A key while a prompt is open.
Effect HandlePromptKey(const KeyEvent& key, absl::Time now, absl::TimeZone zone,
                       TopState& state);

// Changes the text as a key of editing says; false if it is none.
bool EditPrompt(const KeyEvent& key, Prompt& prompt);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_PROMPT_H_
