"""What can go wrong with an integration.

    IntegrationError
    ├── IntegrationNotReady       raised by plugins: try again later           → RETRYING
    ├── IntegrationAuthFailed     raised by plugins: a person must mend a key  → FAILED
    ├── IntegrationConfigError    raised by plugins: a person must mend the settings → FAILED
    ├── IntegrationImportFailed   its code cannot be loaded                    → FAILED
    ├── CallTimedOut              a plugin's method took too long              → RETRYING
    ├── CallCancelled             a plugin's method cancelled or exited itself → FAILED
    ├── IllegalTransition         a defect of the framework itself
    ├── MissingResource           the context has no such shared object
    ├── UnknownIntegration        no integration has that name
    ├── IntegrationNotLoaded      it has the name, but no instance yet
    ├── IntegrationDisabled       it is switched off
    └── NoIntegrationManager      the platform was not started in this process

A plugin raises the meaning, the framework picks the state. The platform's own upstream errors mean something
here too: UpstreamAuthFailed like IntegrationAuthFailed, any other UpstreamError like IntegrationNotReady.
"""


class IntegrationError(Exception):
    """The root."""


class IntegrationNotReady(IntegrationError):
    """Not now, perhaps later: the other side is down, starting, or out of reach."""


class IntegrationAuthFailed(IntegrationError):
    """The other side refuses the credential; trying again cannot help."""


class IntegrationConfigError(IntegrationError):
    """The settings are wrong; trying again cannot help. The message names the setting, never its value."""


class IntegrationImportFailed(IntegrationError):
    """The module or class cannot be imported; the cause is chained."""


class CallTimedOut(IntegrationError):
    """A plugin's method did not return in time. It was cancelled, and left alone if it ignores that."""


class CallCancelled(IntegrationError):
    """A plugin's method ended by a cancellation that nobody asked for, or tried to end the whole program."""


class IllegalTransition(IntegrationError):
    """A move that TRANSITIONS does not hold."""


class MissingResource(IntegrationError, LookupError):
    """Nobody shared an object under that type."""


class UnknownIntegration(IntegrationError, KeyError):
    """No integration of that name is configured."""

    def __str__(self) -> str:
        # KeyError shows its argument in quotes, which spoils a sentence.
        return str(self.args[0])


class IntegrationNotLoaded(IntegrationError, LookupError):
    """Configured, but never loaded so far: disabled, blocked, still importing, or its import failed."""


class IntegrationDisabled(IntegrationError):
    """It is switched off in the configuration."""


class NoIntegrationManager(IntegrationError, RuntimeError):
    """get_integration_manager() was called before the platform was started."""
