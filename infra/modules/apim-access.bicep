// What the app may do on one API Management instance, in that instance's resource group.

param apimName string
param principalId string
param appId string

@description('Role definitions by their GUIDs; empty: not assigned.')
param backupRole string
param restoreRole string
param preflightRole string

resource apim 'Microsoft.ApiManagement/service@2024-05-01' existing = {
  name: apimName
}

resource mayBackUp 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(backupRole)) {
  name: guid(apim.id, appId, 'backup')
  scope: apim
  properties: {
    description: 'apim-dr backs it up.'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', backupRole)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource mayRestore 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(restoreRole)) {
  name: guid(apim.id, appId, 'restore')
  scope: apim
  properties: {
    description: 'apim-dr restores into it.'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', restoreRole)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource mayLook 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(preflightRole)) {
  name: guid(apim.id, appId, 'preflight')
  scope: apim
  properties: {
    description: 'apim-dr looks at it before a start, and compares it.'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', preflightRole)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

@description('Whom API Management is when it writes its backups.')
output apimPrincipalId string = apim.identity.principalId
